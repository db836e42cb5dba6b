-- Wish lists.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(customerid), '') as customerid,
    nullif(trim(name), '') as name,
    isfavorite,
    isprivate,
    iscollaborative,
    case when duedatetime > timestamp '1900-01-01 00:00:00' then duedatetime end as duedatetime,
    versionnumber,
    sinkmodifiedon
from current_retailwishlisttable
