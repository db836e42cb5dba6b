-- Lines of the transactions of the point of sale.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(transactionid), '') as transactionid,
    nullif(trim(store), '') as store,
    nullif(trim(terminalid), '') as terminalid,
    nullif(channel, 0) as channel,
    qty,
    netamount,
    netamountincltax,
    taxamount,
    discamount,
    transactionstatus,
    versionnumber,
    sinkmodifiedon
from current_retailtransactionsalestrans
