-- Months from 1900 to 2154, counted from the year 0, if amounts are converted. Rates are looked up by the month first: an amount is
-- then compared with the rates of one month, not with those of all years.
with digits as (
    select 0 as digit
    union all select 1 as digit
    union all select 2 as digit
    union all select 3 as digit
    union all select 4 as digit
    union all select 5 as digit
    union all select 6 as digit
    union all select 7 as digit
    union all select 8 as digit
    union all select 9 as digit
)
select cast(1900 * 12 + ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as int) as month
from parameters
cross join digits ones
cross join digits tens
cross join digits hundreds
cross join digits thousands
where parameters.reporting_currency is not null
    and ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit <= 255 * 12
