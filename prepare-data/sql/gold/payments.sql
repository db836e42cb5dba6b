-- One row for each payment, refund, and change given back: of the receipts and customer orders in store_transactions, and of the
-- sales orders that were paid in headquarters (call centre). An order whose transaction has payments has no others here. Left out:
-- voided lines, payments that were declined or not submitted, and those whose transaction or order is not published. Card data is
-- not read at all.
-- category: activity
-- key: payment_id
-- time: paid_at
-- driver: retailtransactionpaymenttrans
-- reads: retailtransactionpaymenttrans, retailtransactiontable, retailtransactionsalestrans, mcrcustpaymtable, salestable, custtable, inventtable, retailtendertypetable, retailstoretendertypetable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: respelled_receipt_accounts, respelled_orders, sale_transactions, superseded_transactions, store_entries, superseded_orders, posted_receipts, respelled_accounts, orders, orders_paid_at_transactions, exchange_rate_months, exchange_rate_ranges, exchange_rates

-- step: changes_unmarked
-- sales in an export without changeline: what is negative there is change (with it, there are none)
select
    dataareaid,
    channel,
    coalesce(store, '') as store,
    coalesce(terminal, '') as terminal,
    transactionid
from retailtransactionpaymenttrans
where changeline is null and coalesce(transactionstatus, 0) in (0, 2, 3, 7, 8)
group by dataareaid, channel, coalesce(store, ''), coalesce(terminal, ''), transactionid
having sum(amounttendered) > 0 and min(amounttendered) < 0

-- step: store_payments
select
    'transaction' as source,
    entries.dataareaid,
    concat_ws('|', entries.dataareaid, cast(entries.channel as string), entries.store, entries.terminal, entries.transactionid) as store_transaction_id,
    case when not entries.owns_sale then entries.salesorderid end as salesid,
    entries.custaccount,
    entries.channel,
    lines.recid,
    lines.linenum,
    lines.tendertype,
    lines.changeline = 1 or (lines.changeline is null and lines.amounttendered < 0 and changes_unmarked.transactionid is not null) as is_change,
    cast(null as int) as status,
    entries.transacted_at as paid_at,
    -- CDM, RetailTransactionPaymentTrans: amounttendered is in the transaction's currency, amountcur in that of the column
    -- currency. UNCONFIRMED: the sign of change; whatever it is, change is money that goes back.
    case when lines.changeline = 1 then -abs(lines.amounttendered) else lines.amounttendered end as amount,
    coalesce(entries.currency, lines.currency) as currency,
    lines.amountcur,
    coalesce(lines.currency, entries.currency) as payment_currency
from retailtransactionpaymenttrans lines
inner join store_entries entries
    on entries.dataareaid = lines.dataareaid
    and entries.channel = lines.channel
    and entries.store = coalesce(lines.store, '')
    and entries.terminal = coalesce(lines.terminal, '')
    and entries.transactionid = lines.transactionid
left join changes_unmarked
    on changes_unmarked.dataareaid = lines.dataareaid
    and changes_unmarked.channel = lines.channel
    and changes_unmarked.store = coalesce(lines.store, '')
    and changes_unmarked.terminal = coalesce(lines.terminal, '')
    and changes_unmarked.transactionid = lines.transactionid
where lines.recid is not null
    and coalesce(lines.transactionstatus, 0) in (0, 2, 3, 7, 8) -- not voided, nor unknown

-- step: order_payments
select
    'order' as source,
    orders.dataareaid,
    cast(null as string) as store_transaction_id,
    orders.salesid,
    orders.custaccount,
    coalesce(payments.channel, orders.retailchanneltable) as channel,
    payments.recid,
    cast(null as decimal(32, 6)) as linenum,
    payments.tendertypeid as tendertype,
    false as is_change,
    payments.status,
    coalesce(payments.createddatetime, orders.createddatetime) as paid_at,
    payments.amount,
    coalesce(payments.currencycode, orders.currencycode) as currency,
    payments.amount as amountcur,
    coalesce(payments.currencycode, orders.currencycode) as payment_currency
from mcrcustpaymtable payments
inner join salestable headers
    on headers.dataareaid = payments.dataareaid
    and headers.recid = payments.refrecid
inner join orders
    on orders.dataareaid = headers.dataareaid
    and lower(orders.salesid) = lower(headers.salesid)
left anti join orders_paid_at_transactions
    on orders_paid_at_transactions.dataareaid = headers.dataareaid
    and orders_paid_at_transactions.order_key = lower(headers.salesid)
where payments.recid is not null
    and payments.status in (1, 3, 4) -- authorized, posted, paid
    -- record ids are unique in a table only, and a payment can refer to other tables
    and (payments.custaccount is null or lower(payments.custaccount) = lower(headers.custaccount))

-- step: payments
with tendered as (
    select * from store_payments
    union all
    select * from order_payments
),
company_methods as (
    select dataareaid, lower(tendertypeid) as method_key, max(name) as name, max(defaultfunction) as function
    from retailtendertypetable
    where tendertypeid is not null
    group by dataareaid, lower(tendertypeid)
),
channel_methods as (
    select
        dataareaid,
        channel,
        lower(tendertypeid) as method_key,
        max(name) as name,
        max(function) as function,
        max(posoperation) as operation
    from retailstoretendertypetable
    where tendertypeid is not null
    group by dataareaid, channel, lower(tendertypeid)
),
payments as (
    select
        tendered.*,
        case when tendered.is_change then 'change' when tendered.amount < 0 then 'refund' else 'payment' end as kind,
        coalesce(channel_methods.name, company_methods.name) as method,
        channel_methods.operation,
        coalesce(channel_methods.function, company_methods.function) as function
    from tendered
    left join channel_methods
        on channel_methods.dataareaid = tendered.dataareaid
        and channel_methods.channel = tendered.channel
        and channel_methods.method_key = lower(tendered.tendertype)
    left join company_methods
        on company_methods.dataareaid = tendered.dataareaid
        and company_methods.method_key = lower(tendered.tendertype)
)
select
    dataareaid || case when source = 'order' then '-order-' else '-' end || cast(recid as string) as payment_id, -- Company and record id; -order- between them for payments of headquarters
    store_transaction_id, -- The transaction that was paid: store_transactions.store_transaction_id; empty for payments of headquarters
    dataareaid || '-' || salesid as sales_order_id, -- The order that was paid: sales_orders.sales_order_id; empty for sales of a store
    dataareaid as company, -- Company (legal entity), in lower case
    linenum as line_number, -- Number of the payment in the transaction
    dataareaid || '-' || custaccount as customer_id, -- Customer, where known: customers.customer_id
    cast(channel as string) as channel_id, -- Where it was paid: channels.channel_id
    kind as payment_kind, -- payment, refund, or change: money given back because more was tendered than due
    kind = 'payment' as is_payment, -- Whether the customer paid
    kind = 'refund' as is_refund, -- Whether the customer got money back for something else than too much cash
    kind = 'change' as is_change, -- Whether it is change: subtract it from what was paid
    tendertype as payment_method_number, -- Number of the payment method in the company
    method as payment_method, -- Name of the payment method: that of the channel, else that of the company
    case
        -- operations of the point of sale that the method starts (Commerce Scale Unit: RetailOperation)
        when operation in (200, 206) then 'cash'
        when operation in (201, 208, 216) then 'card'
        when operation in (202, 218) then 'customer_account'
        when operation = 203 then 'currency'
        when operation in (204, 217) then 'check'
        when operation in (207, 220) then 'loyalty'
        when operation = 213 then 'credit_memo'
        when operation in (214, 219) then 'gift_card'
        -- RetailTenderFunction; 5 UNCONFIRMED. Normal (0) says nothing, it is cash as well as gift cards
        when function = 1 then 'card'
        when function = 2 then 'check'
        when function = 3 then 'customer_account'
        when function = 5 then 'wallet'
        else 'other'
    end as method_kind, -- cash, card, check, currency (cash of another currency), gift_card, loyalty (points), credit_memo, customer_account, wallet or other
    case status when 1 then 'authorized' when 3 then 'posted' when 4 then 'paid' end as payment_status, -- Payments of headquarters: authorized, posted or paid; else empty
    paid_at, -- When it was paid: of a transaction, when that began (UTC; where the register recorded only its own clock, that)
    cast(amount as decimal(32, 6)) as amount, -- What was paid with tax, in the transaction's currency; negative when money is paid back
    currency, -- Currency of amount
    cast(case when payment_currency = currency then amount when amount < 0 then -abs(nullif(amountcur, 0)) else abs(nullif(amountcur, 0)) end as decimal(32, 6)) as payment_amount, -- The same in the currency of the payment; negative when money is paid back
    payment_currency, -- Currency of payment_amount: what the customer paid in
    cast(try_cast(amount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- amount in the reporting currency, by the rate of the day (UTC); empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join payments
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from paid_at) * 12 + extract(month from paid_at)
    and cast(paid_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
