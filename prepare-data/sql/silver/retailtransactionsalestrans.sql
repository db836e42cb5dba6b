-- Lines of the transactions of the point of sale.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(transactionid), '') as transactionid,
    nullif(trim(store), '') as store,
    nullif(trim(terminalid), '') as terminalid,
    nullif(channel, 0) as channel,
    linenum,
    nullif(trim(itemid), '') as itemid,
    qty,
    nullif(trim(unit), '') as unit,
    price,
    netamount,
    netamountincltax,
    taxamount,
    discamount,
    transactionstatus,
    giftcard,
    nullif(trim(currency), '') as currency,
    versionnumber,
    sinkmodifiedon
from current_retailtransactionsalestrans
