-- Sales orders.
-- time: createddatetime
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(salesid), '') as salesid,
    nullif(trim(custaccount), '') as custaccount,
    nullif(retailchanneltable, 0) as retailchanneltable,
    salestype,
    salesstatus,
    nullif(trim(currencycode), '') as currencycode,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    versionnumber,
    sinkmodifiedon
from current_salestable
