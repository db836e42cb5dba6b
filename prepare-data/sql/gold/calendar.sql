-- One row for each day (UTC) of the years with orders, store transactions or entries of points, from the first to the last. Whole
-- years, so that the table changes once a year and not every day. Dates after the year of the run, and more than a century before
-- it, are mistakes and add no years.
-- category: supporting
-- key: date_id
-- driver: salestable
-- reads: salestable, retailtransactiontable, retailloyaltycardrewardpointtrans, parameters
with times as (
    select min(createddatetime) as first_at, max(createddatetime) as last_at
    from salestable
    union all
    select min(transdate) as first_at, max(transdate) as last_at
    from retailtransactiontable
    union all
    select min(entrydate) as first_at, max(entrydate) as last_at
    from retailloyaltycardrewardpointtrans
),
years as (
    select
        date_trunc('year', greatest(min(times.first_at), parameters.as_of - interval '99 years')) as first_year,
        date_trunc('year', least(max(times.last_at), parameters.as_of)) as last_year
    from times
    cross join parameters
    group by parameters.as_of
),
digits as (
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
),
numbers as ( -- up to 99
    select ones.digit + 10 * tens.digit as number
    from digits ones
    cross join digits tens
),
calendar_years as (
    select year_start
    from (
        select years.first_year + cast(cast(numbers.number as string) || ' years' as interval) as year_start, years.last_year
        from numbers
        cross join years
    ) started
    where year_start <= last_year
),
days as (
    select day
    from (
        select
            calendar_years.year_start,
            calendar_years.year_start + cast(cast(numbers.number + 100 * hundreds.digit as string) || ' days' as interval) as day
        from calendar_years
        cross join numbers
        cross join digits hundreds
        where numbers.number + 100 * hundreds.digit < 366
    ) counted
    where date_trunc('year', day) = year_start
),
parts as (
    select
        day,
        date_trunc('week', day) as monday,
        cast(extract(year from day) as int) as year,
        cast(extract(quarter from day) as int) as quarter,
        cast(extract(month from day) as int) as month,
        cast(extract(day from day) as int) as day_of_month,
        cast(extract(doy from day) as int) as day_of_year,
        cast(extract(week from day) as int) as iso_week
    from days
),
weekdays as (
    select
        parts.*,
        cast(extract(year from monday + interval '3 days') as int) as iso_year, -- a week belongs to the year of its Thursday
        case
            when day < monday + interval '1 day' then 1
            when day < monday + interval '2 days' then 2
            when day < monday + interval '3 days' then 3
            when day < monday + interval '4 days' then 4
            when day < monday + interval '5 days' then 5
            when day < monday + interval '6 days' then 6
            else 7
        end as weekday
    from parts
)
select
    cast(year * 10000 + month * 100 + day_of_month as int) as date_id, -- The date as a number: 20260131
    day as calendar_date, -- The date, at midnight UTC
    year, -- Year
    quarter, -- Quarter of the year, from 1
    month, -- Month of the year, from 1
    case month when 1 then 'January' when 2 then 'February' when 3 then 'March' when 4 then 'April' when 5 then 'May' when 6 then 'June' when 7 then 'July' when 8 then 'August' when 9 then 'September' when 10 then 'October' when 11 then 'November' else 'December' end as month_name, -- Name of the month in English
    iso_year, -- Year that the ISO week belongs to
    iso_week, -- ISO week: weeks begin on Monday, and the first has the year's first Thursday
    day_of_month, -- Day of the month, from 1
    day_of_year, -- Day of the year, from 1
    cast(weekday as int) as day_of_week, -- Day of the week: 1 Monday to 7 Sunday
    case weekday when 1 then 'Monday' when 2 then 'Tuesday' when 3 then 'Wednesday' when 4 then 'Thursday' when 5 then 'Friday' when 6 then 'Saturday' else 'Sunday' end as day_name, -- Name of the day in English
    weekday >= 6 as is_weekend -- Whether it is a Saturday or Sunday
from weekdays
