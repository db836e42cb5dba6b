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
-- uses: superseded_customers, superseded_orders, posted_receipts, respelled_accounts, orders, order_lines, respelled_receipt_accounts, respelled_orders, store_entries, receipt_lines, respelled_loyalty_accounts, present_cards, holder_customers, point_entries
with persons as (
    select
        customers.dataareaid,
        lower(customers.accountnum) as account_key,
        customers.dataareaid || '-' || customers.accountnum as customer_id
    from custtable customers
    inner join dirpartytable parties on parties.recid = customers.party
    left semi join person_types on person_types.type = parties.instancerelationtype
    left anti join superseded_customers superseded on superseded.id = customers.id
    where customers.dataareaid is not null and customers.accountnum is not null
),
lines as (
    select
        dataareaid,
        lower(custaccount) as account_key,
        upper(coalesce(currency, '')) as currency,
        'order-' || lower(salesid) as sale_key,
        true as is_order,
        case when is_purchase then true when not is_purchase then false end as is_purchase,
        ordered_at as happened_at,
        retailchanneltable as channel,
        lower(itemid) as item_key,
        lineamount as amount,
        -- all discounts, whatever they are called: what the list price has more than the line
        case
            when coalesce(priceunit, 1) in (0, 1) then list_amount
            else cast(cast(floor(cast(list_amount as double) / cast(priceunit as double) * 100 + 0.5) as bigint) as decimal(20, 0)) * cast(0.01 as decimal(3, 2))
        end - lineamount as discount,
        -- UNCONFIRMED: costprice is the cost of one unit, whatever priceunit is
        cast(try_cast(costprice as decimal(18, 6)) * try_cast(salesqty as decimal(18, 6)) as decimal(32, 6)) as cost
    from (
        select
            order_lines.*,
            cast(try_cast(salesprice as decimal(18, 6)) * try_cast(salesqty as decimal(18, 6)) as decimal(32, 6)) as list_amount
        from order_lines
    ) priced
    where is_purchase or (line_kind = 'return' and coalesce(status, 0) in (1, 2, 3))
    union all
    select
        receipt_lines.dataareaid,
        lower(receipt_lines.custaccount) as account_key,
        upper(coalesce(receipt_lines.currency, '')) as currency,
        concat_ws('|', 'receipt', cast(receipt_lines.channel as string), receipt_lines.store, receipt_lines.terminal, receipt_lines.transactionid) as sale_key,
        false as is_order,
        case when receipt_lines.is_purchase then true when not receipt_lines.is_purchase then false end as is_purchase,
        receipt_lines.transacted_at as happened_at,
        receipt_lines.channel,
        lower(receipt_lines.itemid) as item_key,
        receipt_lines.net_amount as amount,
        receipt_lines.discount_amount as discount,
        case when receipt_lines.line_kind = 'return' then -receipt_lines.cost_amount else receipt_lines.cost_amount end as cost
    from receipt_lines
    where receipt_lines.line_kind in ('sale', 'return')
),
items as ( -- the first line of each item that the customer bought counts it
    select
        lines.*,
        case
            when is_purchase and item_key is not null then cast(row_number() over (
                partition by dataareaid, account_key, currency, is_purchase, item_key
                order by happened_at nulls first, sale_key
            ) as bigint)
        end as item_place
    from lines
    where account_key is not null
),
sales as (
    select
        dataareaid,
        account_key,
        currency,
        sale_key,
        is_order,
        max(case when is_purchase then 1 else 0 end) as has_purchase,
        max(case when is_purchase then 0 else 1 end) as has_return,
        min(happened_at) as happened_at,
        min(channel) as channel,
        sum(case when is_purchase then amount end) as revenue,
        sum(case when not is_purchase then -amount end) as returned,
        sum(case when is_purchase and discount > 0 then discount end) as discount,
        sum(cost) as cost,
        sum(case when cost is not null then amount - cost end) as margin,
        count(case when cost is null then 1 end) as without_cost,
        count(case when item_place = 1 then 1 end) as new_items
    from items
    group by dataareaid, account_key, currency, sale_key, is_order
),
placed as (
    select
        sales.*,
        row_number() over (
            partition by dataareaid, account_key, currency, has_purchase, channel
            order by happened_at nulls first, sale_key
        ) as channel_place,
        row_number() over (
            partition by dataareaid, account_key, currency, has_purchase, date_trunc('day', happened_at)
            order by sale_key
        ) as day_place
    from sales
),
totals as (
    select
        dataareaid,
        account_key,
        currency,
        count(case when is_order and has_purchase = 1 then 1 end) as order_count,
        count(case when has_purchase = 1 then 1 end) as purchase_count,
        count(case when has_return = 1 then 1 end) as return_count,
        coalesce(sum(revenue), 0) as revenue,
        coalesce(sum(returned), 0) as returned,
        coalesce(sum(discount), 0) as discount,
        sum(cost) as cost,
        sum(margin) as margin,
        sum(without_cost) as without_cost,
        min(case when has_purchase = 1 then happened_at end) as first_purchase_at,
        max(case when has_purchase = 1 then happened_at end) as last_purchase_at,
        max(happened_at) as last_sale_at,
        count(case when has_purchase = 1 and happened_at is not null and day_place = 1 then 1 end) as active_days,
        count(case when has_purchase = 1 and channel is not null and channel_place = 1 then 1 end) as channel_count,
        sum(new_items) as product_count
    from placed
    group by dataareaid, account_key, currency
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
    left join totals on totals.dataareaid = persons.dataareaid and totals.account_key = persons.account_key
    left join points on points.customer_key = lower(persons.customer_id)
    where totals.account_key is not null or points.customer_key is not null
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
