-- One row for each sales order or return order, with the totals of its own lines. Left out: journals, subscriptions and other
-- orders that are no sale, and orders that statement posting made of a store's receipts (store_transactions has that sale).
-- category: activity
-- key: sales_order_id
-- time: ordered_at
-- driver: salestable
-- reads: salestable, salesline, retailtransactiontable, custtable, inventtable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: superseded_orders, posted_receipts, respelled_accounts, orders, exchange_rate_months, exchange_rate_ranges, exchange_rates
with lines as (
    select
        dataareaid,
        lower(salesid) as order_key,
        createddatetime,
        salesstatus = 4 as is_canceled,
        case when coalesce(salesstatus, 0) <> 4 then salesstatus end as salesstatus,
        case when coalesce(salesstatus, 0) <> 4 then salesqty end as salesqty,
        case when coalesce(salesstatus, 0) <> 4 then lineamount end as lineamount,
        case when coalesce(salesstatus, 0) <> 4 then currencycode end as currencycode
    from salesline
),
totals as (
    select
        dataareaid,
        order_key,
        min(createddatetime) as first_line_at,
        cast(count(*) as int) as line_count,
        cast(count(case when is_canceled then 1 end) as int) as canceled_line_count,
        min(salesstatus) as least_status,
        sum(salesqty) as quantity,
        sum(lineamount) as amount,
        min(currencycode) as first_currency,
        max(currencycode) as last_currency
    from lines
    group by dataareaid, order_key
),
judged as (
    select
        orders.dataareaid,
        orders.salesid,
        orders.custaccount,
        orders.retailchanneltable,
        coalesce(orders.createddatetime, totals.first_line_at) as ordered_at,
        case when orders.salestype = 4 or totals.quantity < 0 then 'return' else 'order' end as order_kind,
        -- an order is as far as the least of its lines, where its own record does not say
        coalesce(nullif(orders.salesstatus, 0), totals.least_status, case when totals.canceled_line_count = totals.line_count then 4 end) as status,
        cast(coalesce(totals.line_count, 0) as int) as line_count,
        cast(coalesce(totals.canceled_line_count, 0) as int) as canceled_line_count,
        coalesce(totals.first_currency, orders.currencycode) as currency,
        coalesce(totals.first_currency <> totals.last_currency, false) as has_mixed_currencies,
        -- an order whose lines are all canceled has nothing to pay
        cast(case when totals.canceled_line_count = totals.line_count then 0 else totals.amount end as decimal(32, 6)) as amount
    from orders
    left join totals on totals.dataareaid = orders.dataareaid and totals.order_key = lower(orders.salesid)
),
priced as (
    select
        judged.*,
        case when has_mixed_currencies then cast(null as decimal(32, 6)) when status = 4 then cast(0 as decimal(32, 6)) else amount end as total_amount
    from judged
)
select
    dataareaid || '-' || salesid as sales_order_id, -- Company and order number
    dataareaid as company, -- Company (legal entity), in lower case
    salesid as order_number, -- Order number in the company
    dataareaid || '-' || custaccount as customer_id, -- Customer who ordered: customers.customer_id
    cast(retailchanneltable as string) as channel_id, -- Where it was ordered: channels.channel_id; empty for orders without a channel
    order_kind, -- order, or return: a returned order, or one that takes more back than it sells
    case status when 1 then 'open' when 2 then 'delivered' when 3 then 'invoiced' when 4 then 'canceled' else 'unknown' end as order_status, -- open, delivered, invoiced, canceled or unknown
    order_kind = 'order' and coalesce(status, 0) in (1, 2, 3) and line_count > canceled_line_count as is_purchase, -- Whether it counts as a purchase: no return, and open, delivered or invoiced
    ordered_at, -- When it was ordered (UTC)
    case when has_mixed_currencies then cast(null as string) else currency end as currency, -- Currency of total_amount
    has_mixed_currencies, -- Whether lines differ in currency; then there is no total
    total_amount, -- Sum of the lines that are not canceled, after line discounts, without charges and tax; 0 for an order that is canceled, or all lines of which are; negative for a return
    line_count, -- Number of lines
    canceled_line_count, -- Number of canceled lines
    cast(try_cast(total_amount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- total_amount in the reporting currency, by the rate of the day (UTC); empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join priced
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from ordered_at) * 12 + extract(month from ordered_at)
    and cast(ordered_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
