-- Store transactions with an amount for which there is no exchange rate into the reporting currency on their day.
-- reads: store_transactions
select
    cast(count(case when reporting_amount is null then 1 end) as bigint) as gaps,
    cast(count(*) as bigint) as of_rows
from store_transactions
where reporting_currency is not null and net_amount is not null
