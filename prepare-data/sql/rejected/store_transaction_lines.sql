-- Records of retailtransactionsalestrans that are not in store_transaction_lines, each with the first reason that applies:
-- company_missing, record_missing (no record id), voided, unknown_status, customer_order (sales_order_lines has it),
-- transaction_left_out (its transaction is rejected itself, or not exported).
-- reads: retailtransactionsalestrans, retailtransactiontable, salestable, custtable, parameters
-- uses: respelled_receipt_accounts, respelled_orders, sale_transactions, superseded_transactions, store_entries
with judged as (
    select
        lines.id,
        lines.dataareaid,
        coalesce(lines.dataareaid, '') || '-' || coalesce(cast(lines.recid as string), '') as key,
        case
            when lines.dataareaid is null then 'company_missing'
            when lines.recid is null then 'record_missing'
            when lines.transactionstatus = 1 then 'voided'
            when coalesce(lines.transactionstatus, 0) not in (0, 2, 3, 7, 8) then 'unknown_status'
            when entries.transactionid is null then 'transaction_left_out'
            when not entries.owns_sale then 'customer_order'
        end as reason
    from retailtransactionsalestrans lines
    left join store_entries entries
        on entries.dataareaid = lines.dataareaid
        and entries.channel = lines.channel
        and entries.store = coalesce(lines.store, '')
        and entries.terminal = coalesce(lines.terminalid, '')
        and entries.transactionid = lines.transactionid
)
select
    'retailtransactionsalestrans' as source_table,
    id as source_id,
    dataareaid,
    key,
    cast(null as timestamp) as recorded_at, -- its record does not say
    reason
from judged
where reason is not null
