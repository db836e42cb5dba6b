-- One row for each sale or return at a point of sale, and for each customer order taken there. A customer order becomes a sales
-- order: its amounts are in sales_orders and stay empty here, so that no sum counts it twice. Voided lines do not count, and gift
-- cards are no purchase when they are sold: what they pay for is. Left out: voided, canceled, suspended and training entries, and whatever is no sale (opening the drawer, tender declarations, ...).
-- category: activity
-- key: store_transaction_id
-- time: transacted_at
-- driver: retailtransactiontable
-- reads: retailtransactiontable, retailtransactionsalestrans, salestable, custtable, inventtable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: respelled_receipt_accounts, respelled_orders, sale_transactions, superseded_transactions, store_entries, exchange_rate_months, exchange_rate_ranges, exchange_rates

-- step: totals
with lines as (
    select
        dataareaid,
        channel,
        coalesce(store, '') as store,
        coalesce(terminalid, '') as terminal,
        transactionid,
        coalesce(transactionstatus, 0) in (0, 2, 3, 7, 8) and coalesce(giftcard, 0) = 0 as counts, -- not voided, nor unknown
        coalesce(transactionstatus, 0) in (0, 2, 3, 7, 8) and giftcard = 1 as is_gift_card,
        qty,
        netamount,
        netamountincltax as grossamount,
        taxamount,
        abs(discamount) as discamount
    from retailtransactionsalestrans
),
sums as (
    select
        dataareaid,
        channel,
        store,
        terminal,
        transactionid,
        cast(count(case when counts then 1 end) as int) as line_count,
        cast(count(case when is_gift_card then 1 end) as int) as gift_card_count,
        sum(case when is_gift_card then netamount end) as gift_card_amount,
        sum(case when counts then qty end) as quantity,
        sum(case when counts then netamount end) as net_amount,
        sum(case when counts then grossamount end) as gross_amount,
        sum(case when counts then taxamount end) as tax_amount,
        sum(case when counts then discamount end) as discount_amount
    from lines
    group by dataareaid, channel, store, terminal, transactionid
)
select
    sums.dataareaid,
    sums.channel,
    sums.store,
    sums.terminal,
    sums.transactionid,
    sums.line_count,
    sums.gift_card_count,
    sums.discount_amount,
    case when parameters.store_sales_are_negative then -sums.gift_card_amount else sums.gift_card_amount end as gift_card_amount,
    case when parameters.store_sales_are_negative then -sums.quantity else sums.quantity end as quantity,
    case when parameters.store_sales_are_negative then -sums.net_amount else sums.net_amount end as net_amount,
    case when parameters.store_sales_are_negative then -sums.gross_amount else sums.gross_amount end as gross_amount,
    case when parameters.store_sales_are_negative then -sums.tax_amount else sums.tax_amount end as tax_amount
from sums
cross join parameters

-- step: store_transactions
with booked as (
    select
        transactions.dataareaid,
        transactions.channel,
        transactions.store,
        transactions.terminal,
        transactions.transactionid,
        transactions.receiptid,
        transactions.channelreferenceid,
        transactions.custaccount,
        transactions.loyaltycardid,
        transactions.salesorderid,
        transactions.statementid,
        transactions.entrystatus,
        transactions.transacted_at,
        transactions.currency,
        case
            when not transactions.owns_sale then 'customer_order'
            when transactions.is_return or coalesce(totals.net_amount, case when coalesce(totals.gift_card_count, 0) = 0 then transactions.net_amount end) < 0 then 'return'
            else 'sale'
        end as kind,
        totals.line_count,
        totals.quantity,
        -- what the lines do not say (they may not be exported yet) the transaction's own record does
        case
            when totals.line_count = 0 then cast(0 as decimal(32, 6))
            else coalesce(totals.net_amount, transactions.net_amount)
        end as net_amount,
        case
            when totals.line_count = 0 then cast(0 as decimal(32, 6))
            else coalesce(totals.gross_amount, transactions.gross_amount)
        end as gross_amount,
        totals.tax_amount,
        totals.discount_amount,
        totals.gift_card_amount
    from store_entries transactions
    left join totals
        on totals.dataareaid = transactions.dataareaid
        and totals.channel = transactions.channel
        and totals.store = transactions.store
        and totals.terminal = transactions.terminal
        and totals.transactionid = transactions.transactionid
        and transactions.owns_sale
)
select
    concat_ws('|', dataareaid, cast(channel as string), store, terminal, transactionid) as store_transaction_id, -- Company, channel, store, terminal and transaction
    dataareaid as company, -- Company (legal entity), in lower case
    cast(channel as string) as channel_id, -- Where it happened: channels.channel_id
    nullif(store, '') as store_number, -- Number of the store; empty online
    nullif(terminal, '') as terminal_number, -- Number of the register; empty online
    transactionid as transaction_number, -- Number of the transaction at its terminal
    receiptid as receipt_number, -- Number on the receipt
    channelreferenceid as channel_reference, -- Number that the customer was told, as in a confirmation
    dataareaid || '-' || custaccount as customer_id, -- Customer, where known: customers.customer_id
    loyaltycardid as loyalty_card_number, -- Loyalty card that was shown
    kind as transaction_kind, -- sale, return (or an exchange that pays back), or customer_order
    case entrystatus when 2 then 'posted' when 3 then 'concluded' when 7 then 'pending_invoice' when 8 then 'creating_order' else 'not_posted' end as posting_status, -- How far the back office is: not_posted, posted, concluded, pending_invoice or creating_order
    kind = 'sale' and coalesce(line_count, 1) > 0 as is_purchase, -- Whether it counts as a purchase: no return, no customer order
    dataareaid || '-' || salesorderid as sales_order_id, -- Customer orders: sales_orders.sales_order_id; sales: the order that statement posting made of it, which is not in sales_orders
    statementid as statement_number, -- Statement that it was posted with
    transacted_at, -- When it began (UTC; where the register recorded only its own clock, that)
    currency, -- Currency of the amounts
    cast(net_amount as decimal(32, 6)) as net_amount, -- Paid without tax; negative when money is paid back; empty for customer orders
    cast(gross_amount as decimal(32, 6)) as gross_amount, -- Paid with tax; negative when money is paid back; empty for customer orders
    cast(gift_card_amount as decimal(32, 6)) as gift_card_amount, -- Gift cards that were sold or topped up, which net_amount and gross_amount leave out
    cast(tax_amount as decimal(32, 6)) as tax_amount, -- Tax; negative when money is paid back
    cast(discount_amount as decimal(32, 6)) as discount_amount, -- Discounts of all lines; never negative
    cast(quantity as decimal(32, 6)) as quantity, -- Sold quantities less returned ones, of all lines
    line_count, -- Number of lines that are neither voided nor gift cards; empty for customer orders
    cast(try_cast(net_amount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- net_amount in the reporting currency, by the rate of the day (UTC); empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join booked
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from transacted_at) * 12 + extract(month from transacted_at)
    and cast(transacted_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
