-- Order lines whose item is not in products.
-- reads: sales_order_lines, products
select
    cast(coalesce(sum(case when known.product_id is null then referring.row_count else 0 end), 0) as bigint) as gaps,
    cast(coalesce(sum(referring.row_count), 0) as bigint) as of_rows
from (
    select product_id, count(*) as row_count
    from sales_order_lines
    where product_id is not null
    group by product_id
) referring
left join products known on known.product_id = referring.product_id
