-- Records of salestable that are older than another with the same number; hardly ever any.
with repeated_orders as (
    select dataareaid, lower(salesid) as number_key
    from salestable
    group by dataareaid, lower(salesid)
    having count(*) > 1
)
select id
from (
    select
        orders.id,
        row_number() over (
            partition by orders.dataareaid, lower(orders.salesid)
            order by orders.versionnumber desc nulls last, orders.recid desc nulls last, orders.id
        ) as place
    from salestable orders
    left semi join repeated_orders
        on repeated_orders.dataareaid = orders.dataareaid
        and repeated_orders.number_key = lower(orders.salesid)
) ranked
where place > 1
