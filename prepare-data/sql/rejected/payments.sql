-- Records that are not in payments, each with the first reason that applies. Of retailtransactionpaymenttrans: company_missing,
-- record_missing (no record id), voided, unknown_status, transaction_left_out (its transaction is rejected itself, or not
-- exported). Of mcrcustpaymtable: company_missing, record_missing, declined, not_submitted, unknown_status, order_missing (of no
-- exported sales order), order_left_out (the order is rejected itself), in_transaction (the order's transaction has its payments).
-- reads: retailtransactionpaymenttrans, retailtransactiontable, mcrcustpaymtable, salestable, custtable, parameters
-- uses: respelled_receipt_accounts, respelled_orders, sale_transactions, superseded_transactions, store_entries, superseded_orders, posted_receipts, respelled_accounts, orders, orders_paid_at_transactions
with judged as (
    select
        'retailtransactionpaymenttrans' as source_table,
        lines.id,
        lines.dataareaid,
        coalesce(lines.dataareaid, '') || '-' || coalesce(cast(lines.recid as string), '') as key,
        lines.transdate as recorded_at,
        case
            when lines.dataareaid is null then 'company_missing'
            when lines.recid is null then 'record_missing'
            when lines.transactionstatus = 1 then 'voided'
            when coalesce(lines.transactionstatus, 0) not in (0, 2, 3, 7, 8) then 'unknown_status'
            when entries.transactionid is null then 'transaction_left_out'
        end as reason
    from retailtransactionpaymenttrans lines
    left join store_entries entries
        on entries.dataareaid = lines.dataareaid
        and entries.channel = lines.channel
        and entries.store = coalesce(lines.store, '')
        and entries.terminal = coalesce(lines.terminal, '')
        and entries.transactionid = lines.transactionid
    union all
    select
        'mcrcustpaymtable' as source_table,
        payments.id,
        payments.dataareaid,
        coalesce(payments.dataareaid, '') || '-order-' || coalesce(cast(payments.recid as string), '') as key,
        payments.createddatetime as recorded_at,
        case
            when payments.dataareaid is null then 'company_missing'
            when payments.recid is null then 'record_missing'
            when payments.status = 2 then 'declined'
            when payments.status = 0 then 'not_submitted'
            when coalesce(payments.status, -1) not in (1, 3, 4) then 'unknown_status'
            when headers.recid is null then 'order_missing'
            when orders.salesid is null then 'order_left_out'
            when orders_paid_at_transactions.order_key is not null then 'in_transaction'
        end as reason
    from mcrcustpaymtable payments
    left join salestable headers
        on headers.dataareaid = payments.dataareaid
        and headers.recid = payments.refrecid
        and (payments.custaccount is null or lower(payments.custaccount) = lower(headers.custaccount))
    left join orders
        on orders.dataareaid = headers.dataareaid
        and lower(orders.salesid) = lower(headers.salesid)
    left join orders_paid_at_transactions
        on orders_paid_at_transactions.dataareaid = headers.dataareaid
        and orders_paid_at_transactions.order_key = lower(headers.salesid)
)
select source_table, id as source_id, dataareaid, key, recorded_at, reason
from judged
where reason is not null
