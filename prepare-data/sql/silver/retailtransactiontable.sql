-- Transactions of the point of sale, of every type.
-- time: transdate
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(transactionid), '') as transactionid,
    nullif(trim(store), '') as store,
    nullif(trim(terminal), '') as terminal,
    nullif(channel, 0) as channel,
    nullif(trim(receiptid), '') as receiptid,
    nullif(trim(custaccount), '') as custaccount,
    nullif(trim(custaccountasync), '') as custaccountasync,
    type,
    entrystatus,
    case when transdate > timestamp '1900-01-01 00:00:00' then transdate end as transdate,
    transtime,
    case when begindatetime > timestamp '1900-01-01 00:00:00' then begindatetime end as begindatetime,
    nullif(trim(currency), '') as currency,
    netamount,
    grossamount,
    saleisreturnsale,
    nullif(trim(salesorderid), '') as salesorderid,
    nullif(trim(statementid), '') as statementid,
    nullif(trim(loyaltycardid), '') as loyaltycardid,
    nullif(trim(channelreferenceid), '') as channelreferenceid,
    versionnumber,
    sinkmodifiedon
from current_retailtransactiontable
