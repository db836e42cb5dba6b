-- Days, by month, on which a rate into the reporting currency may differ from last time: those of rates that changed, and of the
-- rates of pairs and types that changed. Rows of these days are computed again, whatever their currency.
with types as (
    select recid, name
    from exchangeratetype
    union
    select recid, name
    from changed_exchangeratetype
),
pairs as (
    select recid, exchangeratetype, fromcurrencycode, tocurrencycode
    from exchangeratecurrencypair
    union
    select recid, exchangeratetype, fromcurrencycode, tocurrencycode
    from changed_exchangeratecurrencypair
),
reporting_pairs as (
    select pairs.recid
    from pairs
    inner join types on types.recid = pairs.exchangeratetype
    cross join parameters
    where (lower(types.name) = lower(parameters.exchange_rate_type) or cast(types.recid as string) = parameters.exchange_rate_type)
        and upper(parameters.reporting_currency) in (upper(pairs.fromcurrencycode), upper(pairs.tocurrencycode))
),
changed_pairs as (
    select recid
    from changed_exchangeratecurrencypair
    union
    select pairs.recid
    from exchangeratecurrencypair pairs
    left semi join changed_exchangeratetype types on types.recid = pairs.exchangeratetype
),
changed_rates as (
    select exchangeratecurrencypair as pair, validfrom, validto
    from changed_exchangerate
    union
    select rates.exchangeratecurrencypair as pair, rates.validfrom, rates.validto
    from exchangerate rates
    left semi join changed_pairs on changed_pairs.recid = rates.exchangeratecurrencypair
),
ranges as (
    select
        coalesce(cast(rates.validfrom as date), date '1900-01-01') as rate_from,
        coalesce(cast(rates.validto as date), date '2154-12-31') as rate_to
    from changed_rates rates
    left semi join reporting_pairs on reporting_pairs.recid = rates.pair
)
select months.month as rate_month, ranges.rate_from, ranges.rate_to
from (
    select rate_from, rate_to
    from ranges
    group by rate_from, rate_to
) ranges
inner join exchange_rate_months months
    on months.month between extract(year from ranges.rate_from) * 12 + extract(month from ranges.rate_from)
    and extract(year from ranges.rate_to) * 12 + extract(month from ranges.rate_to)
