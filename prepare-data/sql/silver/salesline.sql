-- Lines of sales orders.
-- time: createddatetime
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(salesid), '') as salesid,
    linenum,
    nullif(trim(itemid), '') as itemid,
    nullif(trim(name), '') as name,
    salesqty,
    nullif(trim(salesunit), '') as salesunit,
    salesprice,
    priceunit,
    lineamount,
    linedisc,
    costprice,
    nullif(trim(currencycode), '') as currencycode,
    salesstatus,
    nullif(trim(inventtransid), '') as inventtransid,
    nullif(trim(retailvariantid), '') as retailvariantid,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    versionnumber,
    sinkmodifiedon
from current_salesline
