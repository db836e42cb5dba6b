-- One row for each line of the sales and returns in store_transactions: what was bought or brought back at a point of sale. An
-- exchange has lines of both kinds. Left out: voided lines, lines of customer orders (sales_order_lines has them), and lines whose
-- transaction is not in store_transactions.
-- category: activity
-- key: store_transaction_line_id
-- time: transacted_at
-- driver: retailtransactionsalestrans
-- reads: retailtransactionsalestrans, retailtransactiontable, salestable, custtable, inventtable, parameters
-- uses: respelled_receipt_accounts, respelled_orders, respelled_receipt_items, store_entries
with lines as (
    select
        entries.dataareaid,
        entries.channel,
        entries.store,
        entries.terminal,
        entries.transactionid,
        entries.receiptid,
        entries.custaccount,
        entries.transacted_at,
        lines.recid,
        lines.linenum,
        coalesce(respelled.item_number, lines.itemid) as itemid,
        lines.variantid,
        coalesce(lines.giftcard, 0) = 1 as is_gift_card,
        coalesce(lines.currency, entries.currency) as currency,
        lines.unit,
        lines.price,
        abs(lines.discamount) as discount_amount,
        case when parameters.store_sales_are_negative then -lines.qty else lines.qty end as quantity,
        case when parameters.store_sales_are_negative then -lines.netamount else lines.netamount end as net_amount,
        case when parameters.store_sales_are_negative then -lines.netamountincltax else lines.netamountincltax end as gross_amount,
        case when parameters.store_sales_are_negative then -lines.taxamount else lines.taxamount end as tax_amount
    from retailtransactionsalestrans lines
    inner join store_entries entries
        on entries.dataareaid = lines.dataareaid
        and entries.channel = lines.channel
        and entries.store = coalesce(lines.store, '')
        and entries.terminal = coalesce(lines.terminalid, '')
        and entries.transactionid = lines.transactionid
    left join respelled_receipt_items respelled
        on respelled.dataareaid = lines.dataareaid
        and respelled.itemid = lines.itemid
    cross join parameters
    where lines.recid is not null
        and entries.owns_sale
        and coalesce(lines.transactionstatus, 0) in (0, 2, 3, 7, 8) -- not voided, nor unknown
)
select
    dataareaid || '-' || cast(recid as string) as store_transaction_line_id, -- Company and record id of the line
    concat_ws('|', dataareaid, cast(channel as string), store, terminal, transactionid) as store_transaction_id, -- The line's transaction: store_transactions.store_transaction_id
    dataareaid as company, -- Company (legal entity), in lower case
    linenum as line_number, -- Number of the line in the transaction
    receiptid as receipt_number, -- Number on the receipt
    dataareaid || '-' || custaccount as customer_id, -- Customer, where known: customers.customer_id
    cast(channel as string) as channel_id, -- Where it was bought: channels.channel_id
    dataareaid || '-' || itemid as product_id, -- What was bought: products.product_id
    dataareaid || '-' || itemid || '-' || variantid as product_variant_id, -- Its variant, where it has one: product_variants.product_variant_id
    itemid as item_number, -- Item number in the company
    case when is_gift_card then 'gift_card' when quantity < 0 or (quantity is null and net_amount < 0) then 'return' else 'sale' end as line_kind, -- sale, return, or gift_card: a gift card that was sold or topped up
    not is_gift_card and coalesce(quantity >= 0, net_amount >= 0, true) as is_purchase, -- Whether it counts as a purchase: no return, no gift card
    transacted_at, -- When the transaction began (UTC; where the register recorded only its own clock, that)
    cast(quantity as decimal(32, 6)) as quantity, -- Sold quantity; negative when it comes back
    unit, -- Unit of the quantity
    cast(price as decimal(32, 6)) as unit_price, -- Price of a unit, before discounts
    cast(discount_amount as decimal(32, 6)) as discount_amount, -- Discounts of the line; never negative
    cast(net_amount as decimal(32, 6)) as net_amount, -- Paid without tax; negative when money is paid back
    cast(gross_amount as decimal(32, 6)) as gross_amount, -- Paid with tax; negative when money is paid back
    cast(tax_amount as decimal(32, 6)) as tax_amount, -- Tax; negative when money is paid back
    currency -- Currency of the amounts
from lines
