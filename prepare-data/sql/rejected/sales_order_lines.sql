-- Records of salesline that are not in sales_order_lines, each with the first reason that applies: company_missing,
-- record_missing (no record id), order_missing (its order is not exported), order_left_out (the order is rejected itself).
-- reads: salesline, salestable, retailtransactiontable
-- uses: superseded_orders, posted_receipts
with known_orders as (
    select dataareaid, lower(salesid) as order_key
    from salestable
    where dataareaid is not null and salesid is not null
    group by dataareaid, lower(salesid)
),
orders as ( -- those in sales_orders
    select orders.dataareaid, lower(orders.salesid) as order_key
    from salestable orders
    left anti join superseded_orders superseded on superseded.id = orders.id
    left anti join posted_receipts
        on posted_receipts.dataareaid = orders.dataareaid
        and posted_receipts.salesorder_key = lower(orders.salesid)
    where coalesce(orders.salestype, 3) in (3, 4)
)
select
    'salesline' as source_table,
    lines.id as source_id,
    lines.dataareaid,
    coalesce(lines.dataareaid, '') || '-' || coalesce(cast(lines.recid as string), '') as key,
    lines.createddatetime as recorded_at,
    case
        when lines.dataareaid is null then 'company_missing'
        when lines.recid is null then 'record_missing'
        when known_orders.order_key is null then 'order_missing'
        else 'order_left_out'
    end as reason
from salesline lines
left anti join orders
    on orders.dataareaid = lines.dataareaid
    and orders.order_key = lower(lines.salesid)
    and lines.recid is not null
left join known_orders
    on known_orders.dataareaid = lines.dataareaid
    and known_orders.order_key = lower(lines.salesid)
