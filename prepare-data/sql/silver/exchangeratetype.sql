-- Types of exchange rates.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    versionnumber,
    sinkmodifiedon
from current_exchangeratetype
