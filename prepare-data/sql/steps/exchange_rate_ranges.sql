-- What one unit of a currency is in the reporting currency, from a day to another, both included: by a rate of the pair itself
-- (direct), or by the reciprocal of one of the opposite pair. Nothing if no reporting currency is named.
-- How rates are stored: the class ExchangeRateHelper (AX 2012, displayStoredExchangeRate and calculateReciprocalExchangeRate). What
-- users enter is multiplied by 100 and divided by the pair's display factor, so a stored rate is always that of 100 units.
-- UNCONFIRMED: that this holds for present releases; that validfrom and validto are days without a time; the digits of a rate.
with pairs as (
    select
        pairs.recid,
        upper(pairs.tocurrencycode) = upper(parameters.reporting_currency) as is_direct,
        case
            when upper(pairs.tocurrencycode) = upper(parameters.reporting_currency) then upper(pairs.fromcurrencycode)
            else upper(pairs.tocurrencycode)
        end as currency
    from exchangeratecurrencypair pairs
    inner join exchangeratetype types on types.recid = pairs.exchangeratetype
    cross join parameters
    where (lower(types.name) = lower(parameters.exchange_rate_type) or cast(types.recid as string) = parameters.exchange_rate_type)
        and upper(parameters.reporting_currency) in (upper(pairs.fromcurrencycode), upper(pairs.tocurrencycode))
        and upper(pairs.fromcurrencycode) <> upper(pairs.tocurrencycode)
),
ranges as (
    select
        pairs.currency,
        pairs.is_direct,
        coalesce(cast(rates.validfrom as date), date '1900-01-01') as valid_from,
        coalesce(cast(rates.validto as date), date '2154-12-31') as valid_to,
        -- twelve digits; the engines do not agree on the digits of a quotient of decimals
        case
            when pairs.is_direct then try_cast(rates.exchangerate * cast(0.01 as decimal(3, 2)) as decimal(18, 12))
            else try_cast(
                cast(try_cast(floor(1e14 / cast(rates.exchangerate as double) + 0.5) as bigint) as decimal(20, 0))
                    * cast(0.000000000001 as decimal(13, 12)) as decimal(18, 12)
            )
        end as rate,
        row_number() over (
            partition by pairs.currency, pairs.is_direct, coalesce(cast(rates.validfrom as date), date '1900-01-01')
            order by rates.versionnumber desc nulls last, rates.recid desc
        ) as place
    from exchangerate rates
    inner join pairs on pairs.recid = rates.exchangeratecurrencypair
    where rates.exchangerate > 0
    union all
    select
        upper(reporting_currency) as currency,
        true as is_direct,
        date '1900-01-01' as valid_from,
        date '2154-12-31' as valid_to,
        cast(1 as decimal(18, 12)) as rate,
        1 as place
    from parameters
    where reporting_currency is not null
)
select
    currency,
    is_direct,
    valid_from,
    valid_to,
    rate,
    cast(extract(year from valid_from) * 12 + extract(month from valid_from) as int) as first_month,
    cast(extract(year from valid_to) * 12 + extract(month from valid_to) as int) as last_month
from ranges
where place = 1 and valid_from <= valid_to and rate is not null
