-- Payments of the transactions of the point of sale. What the table has of cards (number, authorization, token, gift card number)
-- is not among the columns that are read.
-- time: transdate
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(transactionid), '') as transactionid,
    nullif(trim(store), '') as store,
    nullif(trim(terminal), '') as terminal,
    nullif(channel, 0) as channel,
    linenum,
    nullif(trim(tendertype), '') as tendertype,
    amounttendered,
    amountcur,
    nullif(trim(currency), '') as currency,
    changeline,
    transactionstatus,
    case when transdate > timestamp '1900-01-01 00:00:00' then transdate end as transdate,
    versionnumber,
    sinkmodifiedon
from current_retailtransactionpaymenttrans
