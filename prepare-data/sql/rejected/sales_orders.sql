-- Records of salestable that are not in sales_orders, each with the first reason that applies: company_missing, number_missing,
-- the kinds of orders that are no sale (journal, subscription, item_requirement, prepayment, other_type), superseded (a newer
-- record has the same number), in_store_transactions (statement posting made it of receipts).
-- reads: salestable, retailtransactiontable
-- uses: superseded_orders, posted_receipts
with judged as (
    select
        orders.id,
        orders.dataareaid,
        coalesce(orders.dataareaid, '') || '-' || coalesce(orders.salesid, '') as key,
        orders.createddatetime as recorded_at,
        case
            when orders.dataareaid is null then 'company_missing'
            when orders.salesid is null then 'number_missing'
            when orders.salestype = 0 then 'journal'
            when orders.salestype = 2 then 'subscription'
            when orders.salestype = 6 then 'item_requirement'
            when orders.salestype = 7 then 'prepayment'
            when coalesce(orders.salestype, 3) not in (3, 4) then 'other_type'
            when superseded.id is not null then 'superseded'
            when posted_receipts.salesorder_key is not null then 'in_store_transactions'
        end as reason
    from salestable orders
    left join superseded_orders superseded on superseded.id = orders.id
    left join posted_receipts
        on posted_receipts.dataareaid = orders.dataareaid
        and posted_receipts.salesorder_key = lower(orders.salesid)
)
select 'salestable' as source_table, id as source_id, dataareaid, key, recorded_at, reason
from judged
where reason is not null
