-- Posted sales of a store that do not name the order that statement posting made of them: if that order is in sales_orders, the
-- sale counts twice.
-- reads: store_transactions
select
    cast(count(case when statement_number is not null and sales_order_id is null then 1 end) as bigint) as gaps,
    cast(count(case when statement_number is not null then 1 end) as bigint) as of_rows
from store_transactions
where transaction_kind in ('sale', 'return')
