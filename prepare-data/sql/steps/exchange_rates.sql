-- The one rate of each currency and day, by month: what one unit is in the reporting currency, from a day to another, both included.
-- Where both pairs of two currencies have a rate on a day, the direct one counts. Finance and operations apps allow a pair no two
-- rates on a day; if there are, the one that began last counts.
with monthly as (
    select currency, is_direct, valid_from, valid_to, first_month as month
    from exchange_rate_ranges
    union all
    select ranges.currency, ranges.is_direct, ranges.valid_from, ranges.valid_to, months.month
    from (
        select currency, is_direct, valid_from, valid_to, first_month, last_month
        from exchange_rate_ranges
        where last_month > first_month
    ) ranges
    inner join exchange_rate_months months on months.month > ranges.first_month and months.month <= ranges.last_month
),
changes as ( -- days on which a rate begins, or has ended
    select currency, month, day, max(direct_from) as direct_from, max(reciprocal_from) as reciprocal_from
    from (
        select
            currency,
            month,
            valid_from as day,
            case when is_direct then valid_from end as direct_from,
            case when not is_direct then valid_from end as reciprocal_from
        from monthly
        union all
        select currency, month, valid_to + interval '1 day' as day, cast(null as date) as direct_from, cast(null as date) as reciprocal_from
        from monthly
    ) days
    group by currency, month, day
),
sections as ( -- between two such days, with the latest rates that began
    select
        currency,
        month,
        day as valid_from,
        lead(day) over (partition by currency, month order by day) - interval '1 day' as valid_to,
        max(direct_from) over (partition by currency, month order by day) as direct_from,
        max(reciprocal_from) over (partition by currency, month order by day) as reciprocal_from
    from changes
)
select
    sections.currency as rate_currency,
    sections.month as rate_month,
    cast(sections.valid_from as date) as rate_from,
    cast(sections.valid_to as date) as rate_to,
    coalesce(direct.rate, reciprocal.rate) as rate
from sections
left join exchange_rate_ranges direct
    on direct.is_direct
    and direct.currency = sections.currency
    and direct.valid_from = sections.direct_from
    and direct.valid_to >= sections.valid_from
left join exchange_rate_ranges reciprocal
    on not reciprocal.is_direct
    and reciprocal.currency = sections.currency
    and reciprocal.valid_from = sections.reciprocal_from
    and reciprocal.valid_to >= sections.valid_from
where coalesce(direct.rate, reciprocal.rate) is not null
