-- Entries of reward points on loyalty cards.
-- time: createddatetime
select
    id,
    recid,
    nullif(trim(cardnumber), '') as cardnumber,
    nullif(rewardpoint, 0) as rewardpoint,
    rewardpointamountqty,
    entrytype,
    case when entrydate > timestamp '1900-01-01 00:00:00' then entrydate end as entrydate,
    entrytime,
    case when expirationdate > timestamp '1900-01-01 00:00:00' then expirationdate end as expirationdate,
    remaining,
    nullif(loyaltytier, 0) as loyaltytier,
    nullif(affiliation, 0) as affiliation,
    nullif(trim(custaccount), '') as custaccount,
    nullif(lower(trim(custaccountdataareaid)), '') as custaccountdataareaid,
    nullif(lower(trim(loyaltytransdataareaid)), '') as loyaltytransdataareaid,
    nullif(channel, 0) as channel,
    nullif(trim(receiptid), '') as receiptid,
    nullif(trim(salesid), '') as salesid,
    nullif(trim(transactionid), '') as transactionid,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    versionnumber,
    sinkmodifiedon
from current_retailloyaltycardrewardpointtrans
