-- Products on wish lists.
-- time: createddatetime
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(wishlistid, 0) as wishlistid,
    nullif(trim(customerid), '') as customerid,
    nullif(productid, 0) as productid,
    quantity,
    nullif(trim(unitofmeasure), '') as unitofmeasure,
    isfavorite,
    isprivate,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    versionnumber,
    sinkmodifiedon
from current_retailwishlistlinetable
