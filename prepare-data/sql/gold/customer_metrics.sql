-- One row for each customer and currency: what the customer bought, brought back and earned until as_of_date. as_of_date is the
-- day of the latest event that the row counts, not the day of the run: on each later day without an event the metrics are the
-- same, so a run rewrites only customers who did something, and Customer Insights - Data reads only those. Days since the last
-- purchase follow from last_purchase_at. Amounts are those of the lines in sales_order_lines and store_transaction_lines that
-- are purchases or returns: canceled lines, quotations, gift cards and the orders that statement posting made do not count.
-- Points belong to the customer, not to a currency: they are in the row with is_main_currency, and in no other.
-- category: supporting
-- key: customer_metrics_id
-- driver: custtable
-- reads: custtable, dirpartytable, person_types, salestable, salesline, retailtransactiontable, retailtransactionsalestrans, retailloyaltycard, retailloyaltycardrewardpointtrans, parameters
-- uses: superseded_customers, persons, superseded_orders, posted_receipts, respelled_accounts, orders, order_lines, respelled_receipt_accounts, respelled_orders, sale_transactions, superseded_transactions, store_entries, entries_of_persons, receipt_lines, respelled_loyalty_accounts, present_cards, holder_customers, point_entries

-- step: order_sales
select
    persons.customer_id,
    upper(coalesce(lines.currency, '')) as currency,
    lower(lines.salesid) as sale_key,
    lines.is_purchase,
    lines.ordered_at as happened_at,
    lines.retailchanneltable as channel,
    lower(lines.itemid) as item_key,
    lines.lineamount as amount,
    -- all discounts, whatever they are called: what the list price has more than the line
    case
        when coalesce(lines.priceunit, 1) in (0, 1) then lines.list_amount
        else cast(cast(floor(cast(lines.list_amount as double) / cast(lines.priceunit as double) * 100 + 0.5) as bigint) as decimal(20, 0)) * cast(0.01 as decimal(3, 2))
    end - lines.lineamount as discount,
    -- UNCONFIRMED: costprice is the cost of one unit, whatever priceunit is
    cast(try_cast(lines.costprice as decimal(18, 6)) * try_cast(lines.salesqty as decimal(18, 6)) as decimal(32, 6)) as cost
from persons
inner join (
    select
        order_lines.*,
        cast(try_cast(salesprice as decimal(18, 6)) * try_cast(salesqty as decimal(18, 6)) as decimal(32, 6)) as list_amount
    from order_lines
) lines on lines.dataareaid = persons.dataareaid and lower(lines.custaccount) = persons.account_key
where lines.is_purchase or (lines.line_kind = 'return' and coalesce(lines.status, 0) in (1, 2, 3))

-- step: store_sales
select
    persons.customer_id,
    upper(coalesce(lines.currency, '')) as currency,
    concat_ws('|', cast(lines.channel as string), lines.store, lines.terminal, lines.transactionid) as sale_key,
    lines.is_purchase,
    lines.transacted_at as happened_at,
    lines.channel,
    lower(lines.itemid) as item_key,
    lines.net_amount as amount,
    lines.discount_amount as discount,
    case when lines.line_kind = 'return' then -lines.cost_amount else lines.cost_amount end as cost
from persons
inner join receipt_lines lines on lines.dataareaid = persons.dataareaid and lower(lines.custaccount) = persons.account_key
where lines.line_kind in ('sale', 'return')

-- step: ordered
select
    customer_id,
    currency,
    true as is_order,
    sale_key,
    max(case when is_purchase then 1 else 0 end) as has_purchase,
    max(case when is_purchase then 0 else 1 end) as has_return,
    min(happened_at) as happened_at,
    min(channel) as channel
from order_sales
group by customer_id, currency, sale_key

-- step: sold_in_stores
select
    customer_id,
    currency,
    false as is_order,
    sale_key,
    max(case when is_purchase then 1 else 0 end) as has_purchase,
    max(case when is_purchase then 0 else 1 end) as has_return,
    min(happened_at) as happened_at,
    min(channel) as channel
from store_sales
group by customer_id, currency, sale_key

-- step: amounts
select
    customer_id,
    currency,
    sum(case when is_purchase then amount end) as revenue,
    sum(case when not is_purchase then -amount end) as returned,
    sum(case when is_purchase and discount > 0 then discount end) as discount,
    sum(cost) as cost,
    sum(case when cost is not null then amount - cost end) as margin,
    count(case when cost is null then 1 end) as without_cost
from (
    select customer_id, currency, is_purchase, amount, discount, cost
    from order_sales
    union all
    select customer_id, currency, is_purchase, amount, discount, cost
    from store_sales
) lines
group by customer_id, currency

-- step: products
-- Counts of different items, days and channels are those of groups: an engine can group more rows than its memory holds.
select customer_id, currency, count(*) as product_count
from (
    select customer_id, currency, item_key
    from (
        select customer_id, currency, is_purchase, item_key
        from order_sales
        union all
        select customer_id, currency, is_purchase, item_key
        from store_sales
    ) lines
    where is_purchase and item_key is not null
    group by customer_id, currency, item_key
) one
group by customer_id, currency

-- step: metrics
with sales as (
    select * from ordered
    union all
    select * from sold_in_stores
),
days as (
    select customer_id, currency, count(*) as active_days
    from (
        select customer_id, currency, date_trunc('day', happened_at) as day
        from sales
        where has_purchase = 1 and happened_at is not null
        group by customer_id, currency, date_trunc('day', happened_at)
    ) one
    group by customer_id, currency
),
channels as (
    select customer_id, currency, count(*) as channel_count
    from (
        select customer_id, currency, channel
        from sales
        where has_purchase = 1 and channel is not null
        group by customer_id, currency, channel
    ) one
    group by customer_id, currency
),
counts as (
    select
        customer_id,
        currency,
        count(case when is_order and has_purchase = 1 then 1 end) as order_count,
        count(case when has_purchase = 1 then 1 end) as purchase_count,
        count(case when has_return = 1 then 1 end) as return_count,
        min(case when has_purchase = 1 then happened_at end) as first_purchase_at,
        max(case when has_purchase = 1 then happened_at end) as last_purchase_at,
        max(happened_at) as last_sale_at
    from sales
    group by customer_id, currency
),
totals as (
    select
        counts.*,
        amounts.revenue,
        amounts.returned,
        amounts.discount,
        amounts.cost,
        amounts.margin,
        amounts.without_cost,
        products.product_count,
        days.active_days,
        channels.channel_count
    from counts
    inner join amounts on amounts.customer_id = counts.customer_id and amounts.currency = counts.currency
    left join products on products.customer_id = counts.customer_id and products.currency = counts.currency
    left join days on days.customer_id = counts.customer_id and days.currency = counts.currency
    left join channels on channels.customer_id = counts.customer_id and channels.currency = counts.currency
),
points as (
    select
        lower(customer_id) as customer_key,
        sum(case when entrytype in (1, 3) then points end) as earned,
        sum(case when entrytype in (2, 5) then -points end) as redeemed,
        sum(points) as balance,
        max(entered_at) as last_entered_at
    from point_entries
    where customer_id is not null
    group by lower(customer_id)
),
ranked as ( -- a customer who only has points has one row, without a currency
    select
        persons.dataareaid,
        persons.customer_id,
        coalesce(totals.currency, '') as currency,
        totals.order_count,
        totals.purchase_count,
        totals.return_count,
        totals.revenue,
        totals.returned,
        totals.discount,
        totals.cost,
        totals.margin,
        totals.without_cost,
        totals.first_purchase_at,
        totals.last_purchase_at,
        totals.last_sale_at,
        totals.active_days,
        totals.channel_count,
        totals.product_count,
        points.earned,
        points.redeemed,
        points.balance,
        points.last_entered_at,
        row_number() over (
            partition by persons.customer_id
            order by totals.purchase_count desc nulls last, totals.last_sale_at desc nulls last, totals.currency nulls last
        ) as place
    from persons
    left join totals on totals.customer_id = persons.customer_id
    left join points on points.customer_key = lower(persons.customer_id)
    where totals.customer_id is not null or points.customer_key is not null
),
metrics as (
    select
        ranked.*,
        place = 1 as is_main_currency,
        greatest(last_sale_at, case when place = 1 then last_entered_at end) as last_event_at,
        (extract(year from last_purchase_at) - extract(year from first_purchase_at)) * 12
            + extract(month from last_purchase_at) - extract(month from first_purchase_at) + 1 as months
    from ranked
)
select
    customer_id || '|' || currency as customer_metrics_id, -- Customer and currency
    customer_id, -- Customer: customers.customer_id
    dataareaid as company, -- Company (legal entity), in lower case
    nullif(currency, '') as currency, -- Currency of the amounts; empty if the customer only has points
    is_main_currency, -- Whether it is the currency of most of the customer's purchases: true in one row of each customer
    date_trunc('day', last_event_at) as as_of_date, -- Day (UTC) of the latest purchase, return or entry of points that the row counts
    cast(coalesce(order_count, 0) as int) as order_count, -- Sales orders among the purchases
    cast(coalesce(purchase_count, 0) as int) as purchase_count, -- Sales orders and store transactions with at least one line that is a purchase, each sale once
    cast(coalesce(return_count, 0) as int) as return_count, -- Sales orders and store transactions with at least one line that comes back; an exchange counts here and as purchase
    cast(coalesce(revenue, 0) as decimal(32, 6)) as revenue, -- Amount of the purchases, after discounts, without tax and charges
    cast(coalesce(returned, 0) as decimal(32, 6)) as returned_amount, -- Amount of what came back; positive
    cast(coalesce(revenue, 0) - coalesce(returned, 0) as decimal(32, 6)) as net_revenue, -- revenue less returned_amount
    cast(coalesce(discount, 0) as decimal(32, 6)) as discount_amount, -- Discounts of the purchases; for order lines the list price less the amount of the line
    cast(cost as decimal(32, 6)) as cost_amount, -- Cost of a unit times quantity, of purchases less returns, as recorded on the lines (in the company's currency); empty if no line has a cost
    cast(margin as decimal(32, 6)) as margin_amount, -- Amount less cost, of purchases less returns, of the lines that have a cost; compares only where the sale is in the company's currency
    cast(coalesce(without_cost, 0) as int) as lines_without_cost, -- Lines of purchases and returns without a cost, which cost_amount and margin_amount leave out
    case when purchase_count > 0 then cast(cast(cast(floor(cast(cast(revenue as decimal(32, 6)) as double) * 100 / purchase_count + 0.5) as bigint) as decimal(20, 0)) * cast(0.01 as decimal(3, 2)) as decimal(32, 6)) end as average_purchase, -- revenue by purchase_count, rounded to two digits
    case when purchase_count > 0 then cast(cast(cast(floor(cast(purchase_count as double) * 100 / months + 0.5) as bigint) as decimal(20, 0)) * cast(0.01 as decimal(3, 2)) as decimal(32, 6)) end as purchases_per_month, -- purchase_count by the calendar months from the first purchase to the last, both included
    first_purchase_at, -- First purchase
    last_purchase_at, -- Last purchase: recency on any day follows from it
    cast(coalesce(active_days, 0) as int) as active_days, -- Days (UTC) with a purchase
    cast(coalesce(channel_count, 0) as int) as channel_count, -- Channels of the purchases
    cast(coalesce(product_count, 0) as int) as product_count, -- Items purchased
    case when is_main_currency then cast(coalesce(earned, 0) as decimal(32, 6)) end as points_earned, -- Points earned, less those taken back; in the row with is_main_currency
    case when is_main_currency then cast(coalesce(redeemed, 0) as decimal(32, 6)) end as points_redeemed, -- Points redeemed, less those given back
    case when is_main_currency then cast(coalesce(balance, 0) as decimal(32, 6)) end as points_balance -- Sum of all entries of all cards and kinds of points; points that expired are in it: loyalty_cards.points_available has the rest
from metrics
