-- Carts with an amount for which there is no exchange rate into the reporting currency on their day.
-- reads: carts
select
    cast(count(case when reporting_amount is null then 1 end) as bigint) as gaps,
    cast(count(*) as bigint) as of_rows
from carts
where reporting_currency is not null and total_amount is not null
