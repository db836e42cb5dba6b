-- One row for each line of the sales and returns in store_transactions: what was bought or brought back at a point of sale. An
-- exchange has lines of both kinds. Left out: voided lines, lines of customer orders (sales_order_lines has them), and lines whose
-- transaction is not in store_transactions.
-- category: activity
-- key: store_transaction_line_id
-- time: transacted_at
-- driver: retailtransactionsalestrans
-- reads: retailtransactionsalestrans, retailtransactiontable, salestable, custtable, inventtable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: respelled_receipt_accounts, respelled_orders, respelled_receipt_items, sale_transactions, superseded_transactions, store_entries, receipt_lines, exchange_rate_months, exchange_rate_ranges, exchange_rates
with lines as (
    select
        receipt_lines.dataareaid,
        receipt_lines.channel,
        receipt_lines.store,
        receipt_lines.terminal,
        receipt_lines.transactionid,
        receipt_lines.receiptid,
        receipt_lines.custaccount,
        receipt_lines.transacted_at,
        receipt_lines.recid,
        receipt_lines.linenum,
        coalesce(respelled.item_number, receipt_lines.itemid) as itemid,
        receipt_lines.variantid,
        receipt_lines.line_kind,
        receipt_lines.is_purchase,
        receipt_lines.currency,
        receipt_lines.unit,
        receipt_lines.price,
        receipt_lines.discount_amount,
        receipt_lines.cost_amount,
        receipt_lines.quantity,
        receipt_lines.net_amount,
        receipt_lines.gross_amount,
        receipt_lines.tax_amount
    from receipt_lines
    left join respelled_receipt_items respelled
        on respelled.dataareaid = receipt_lines.dataareaid
        and respelled.itemid = receipt_lines.itemid
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
    line_kind, -- sale, return, or gift_card: a gift card that was sold or topped up
    is_purchase, -- Whether it counts as a purchase: no return, no gift card
    transacted_at, -- When the transaction began (UTC; where the register recorded only its own clock, that)
    cast(quantity as decimal(32, 6)) as quantity, -- Sold quantity; negative when it comes back
    unit, -- Unit of the quantity
    cast(price as decimal(32, 6)) as unit_price, -- Price of a unit, before discounts
    cast(discount_amount as decimal(32, 6)) as discount_amount, -- Discounts of the line; never negative
    cast(net_amount as decimal(32, 6)) as net_amount, -- Paid without tax; negative when money is paid back
    cast(gross_amount as decimal(32, 6)) as gross_amount, -- Paid with tax; negative when money is paid back
    cast(tax_amount as decimal(32, 6)) as tax_amount, -- Tax; negative when money is paid back
    cast(case when quantity < 0 or (quantity is null and net_amount < 0) then -cost_amount else cost_amount end as decimal(32, 6)) as cost_amount, -- Cost of the whole quantity, in the company's currency; negative when it comes back; empty where no cost is recorded
    currency, -- Currency of the prices and amounts, except costs
    cast(try_cast(net_amount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- net_amount in the reporting currency, by the rate of the day (UTC); empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join lines
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from transacted_at) * 12 + extract(month from transacted_at)
    and cast(transacted_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
