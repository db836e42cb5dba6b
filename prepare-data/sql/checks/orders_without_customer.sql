-- Sales orders whose customer is not in customers: an organisation, or deleted.
-- reads: sales_orders, customers
select
    cast(coalesce(sum(case when known.customer_id is null then referring.row_count else 0 end), 0) as bigint) as gaps,
    cast(coalesce(sum(referring.row_count), 0) as bigint) as of_rows
from (
    select customer_id, count(*) as row_count
    from sales_orders
    where customer_id is not null
    group by customer_id
) referring
left join customers known on known.customer_id = referring.customer_id
