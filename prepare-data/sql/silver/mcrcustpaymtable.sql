-- Payments of sales orders, as a call centre takes them.
-- time: createddatetime
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(refrecid, 0) as refrecid,
    nullif(trim(custaccount), '') as custaccount,
    nullif(channel, 0) as channel,
    nullif(trim(tendertypeid), '') as tendertypeid,
    amount,
    nullif(trim(currencycode), '') as currencycode,
    status,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    versionnumber,
    sinkmodifiedon
from current_mcrcustpaymtable
