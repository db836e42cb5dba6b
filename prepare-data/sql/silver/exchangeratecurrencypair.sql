-- Pairs of currencies that have exchange rates.
select
    id,
    recid,
    nullif(exchangeratetype, 0) as exchangeratetype,
    nullif(trim(fromcurrencycode), '') as fromcurrencycode,
    nullif(trim(tocurrencycode), '') as tocurrencycode,
    versionnumber,
    sinkmodifiedon
from current_exchangeratecurrencypair
