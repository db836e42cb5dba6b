-- Customer orders taken at a point of sale whose sales order is not in sales_orders: their sale is counted nowhere.
-- reads: store_transactions, sales_orders
select
    cast(coalesce(sum(case when known.sales_order_id is null then referring.row_count else 0 end), 0) as bigint) as gaps,
    cast(coalesce(sum(referring.row_count), 0) as bigint) as of_rows
from (
    select sales_order_id, count(*) as row_count
    from store_transactions
    where transaction_kind = 'customer_order' and sales_order_id is not null
    group by sales_order_id
) referring
left join sales_orders known on known.sales_order_id = referring.sales_order_id
