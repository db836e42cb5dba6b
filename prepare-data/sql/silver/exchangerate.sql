-- Exchange rates of pairs of currencies. A pair may have several, each valid for a time.
select
    id,
    recid,
    nullif(exchangeratecurrencypair, 0) as exchangeratecurrencypair,
    case when exchangerate <> 0 then exchangerate end as exchangerate,
    case when validfrom > timestamp '1900-01-01 00:00:00' then validfrom end as validfrom,
    case when validto > timestamp '1900-01-01 00:00:00' then validto end as validto,
    versionnumber,
    sinkmodifiedon
from current_exchangerate
