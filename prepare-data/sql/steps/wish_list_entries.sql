-- Products on wish lists, with the list and the company. Whether the export's wish lists name a company is not documented: where
-- they do not, it is the only company that has the customer number.
-- view: yes
with companies as (
    select lower(accountnum) as account_key, min(dataareaid) as dataareaid
    from custtable
    where accountnum is not null and dataareaid is not null
    group by lower(accountnum)
    having min(dataareaid) = max(dataareaid)
),
lines as (
    select
        lines.id,
        lines.recid,
        lines.wishlistid,
        lines.productid,
        lines.quantity,
        lines.unitofmeasure,
        lines.isfavorite,
        lines.isprivate,
        lines.createddatetime,
        coalesce(lines.dataareaid, lists.dataareaid) as dataareaid,
        coalesce(lines.customerid, lists.customerid) as customerid,
        lists.customerid as ownerid,
        lists.name,
        lists.isprivate as list_is_private,
        lists.iscollaborative,
        lists.duedatetime
    from retailwishlistlinetable lines
    left join retailwishlisttable lists on lists.recid = lines.wishlistid
)
select
    lines.id,
    lines.recid,
    lines.wishlistid,
    lines.productid,
    lines.quantity,
    lines.unitofmeasure,
    lines.isfavorite,
    lines.isprivate,
    lines.createddatetime,
    coalesce(lines.dataareaid, companies.dataareaid) as dataareaid,
    lines.customerid,
    lines.ownerid,
    lines.name,
    lines.list_is_private,
    lines.iscollaborative,
    lines.duedatetime
from lines
left join companies on companies.account_key = lower(lines.customerid)
