-- One row for each line of the orders in sales_orders. Left out: lines whose order is not there.
-- category: activity
-- key: sales_order_line_id
-- time: ordered_at
-- driver: salesline
-- reads: salesline, salestable, retailtransactiontable, custtable, inventtable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: superseded_orders, posted_receipts, respelled_accounts, respelled_items, orders, order_lines, exchange_rate_months, exchange_rate_ranges, exchange_rates
with lines as (
    select
        order_lines.dataareaid,
        order_lines.recid,
        order_lines.salesid,
        order_lines.linenum,
        order_lines.inventtransid,
        coalesce(respelled_items.item_number, order_lines.itemid) as itemid,
        order_lines.retailvariantid,
        order_lines.name,
        order_lines.salesqty,
        order_lines.salesunit,
        order_lines.salesprice,
        order_lines.priceunit,
        order_lines.linedisc,
        order_lines.costprice,
        order_lines.lineamount,
        order_lines.currency,
        order_lines.custaccount,
        order_lines.retailchanneltable,
        order_lines.ordered_at,
        order_lines.line_kind,
        order_lines.status,
        order_lines.is_purchase
    from order_lines
    left join respelled_items
        on respelled_items.dataareaid = order_lines.dataareaid
        and respelled_items.itemid = order_lines.itemid
)
select
    dataareaid || '-' || cast(recid as string) as sales_order_line_id, -- Company and record id: the one number of a line that never changes
    dataareaid || '-' || salesid as sales_order_id, -- The line's order: sales_orders.sales_order_id
    dataareaid as company, -- Company (legal entity), in lower case
    salesid as order_number, -- Order number in the company
    linenum as line_number, -- Number of the line in the order
    inventtransid as lot_number, -- Lot id, by which other systems know the line
    dataareaid || '-' || custaccount as customer_id, -- Customer who ordered: customers.customer_id
    cast(retailchanneltable as string) as channel_id, -- Where it was ordered: channels.channel_id
    dataareaid || '-' || itemid as product_id, -- What was ordered: products.product_id
    dataareaid || '-' || itemid || '-' || retailvariantid as product_variant_id, -- Its variant, where the line names one: product_variants.product_variant_id
    itemid as item_number, -- Item number in the company
    name as item_text, -- Text of the line, as the customer saw it
    line_kind, -- sale, or return: a line of a returned order or of negative quantity
    case status when 1 then 'open' when 2 then 'delivered' when 3 then 'invoiced' when 4 then 'canceled' else 'unknown' end as line_status, -- open, delivered, invoiced, canceled or unknown
    is_purchase, -- Whether it counts as a purchase: no return, and open, delivered or invoiced
    ordered_at, -- When the order was made (UTC)
    salesqty as quantity, -- Ordered quantity; negative when it comes back
    salesunit as unit, -- Unit of the quantity
    salesprice as unit_price, -- Price for price_quantity units, before discounts
    priceunit as price_quantity, -- Quantity that unit_price is for; hardly ever anything but 1
    linedisc as unit_discount, -- Discount within unit_price, as an amount
    lineamount as line_amount, -- Amount after line discounts, without charges and tax; negative when it comes back
    -- UNCONFIRMED: costprice is the cost of one unit, whatever priceunit is (the item's cost price is divided by its own price
    -- unit). Products of numbers with few digits have the same type in all engines.
    costprice as unit_cost, -- Cost of one unit, in the company's currency; empty where no cost is recorded
    cast(try_cast(costprice as decimal(18, 6)) * try_cast(salesqty as decimal(18, 6)) as decimal(32, 6)) as cost_amount, -- Cost of the whole quantity, in the company's currency; negative when it comes back
    currency, -- Currency of the prices and amounts, except costs
    cast(try_cast(lineamount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- line_amount in the reporting currency, by the rate of the day (UTC); empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join lines
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from ordered_at) * 12 + extract(month from ordered_at)
    and cast(ordered_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
