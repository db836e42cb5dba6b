-- Carts of the channel database. The contents of a cart are in a column of bytes, which is not read.
-- time: createddatetime
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(transactionid), '') as transactionid,
    nullif(channelid, 0) as channelid,
    nullif(trim(customerid), '') as customerid,
    amount,
    issuspended,
    case when createddatetime > timestamp '1900-01-01 00:00:00' then createddatetime end as createddatetime,
    case when modifieddatetime > timestamp '1900-01-01 00:00:00' then modifieddatetime end as modifieddatetime,
    case when deleteddatetime > timestamp '1900-01-01 00:00:00' then deleteddatetime end as deleteddatetime,
    versionnumber,
    sinkmodifiedon
from current_salestransaction
