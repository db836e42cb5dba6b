-- Lines whose row may differ from last time: their own record changed, or the order's, or a receipt that the order was made of,
-- or the customer or the item appeared or disappeared, whose records decide how their numbers are written; or an exchange rate of
-- their day, which is that of the order, or else of the line.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items

-- step: touched_orders
select dataareaid, lower(salesid) as order_key
from changed_salestable
union
select dataareaid, lower(salesorderid) as order_key
from changed_retailtransactiontable
where salesorderid is not null
union
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join touched_accounts
    on touched_accounts.account_key = lower(orders.custaccount)
    and touched_accounts.dataareaid = orders.dataareaid
union
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from orders.createddatetime) * 12 + extract(month from orders.createddatetime)
    and cast(orders.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to

-- step: touched_lines
select dataareaid, recid
from changed_salesline
union
select lines.dataareaid, lines.recid
from salesline lines
left semi join touched_orders
    on touched_orders.dataareaid = lines.dataareaid
    and touched_orders.order_key = lower(lines.salesid)
union
select lines.dataareaid, lines.recid
from salesline lines
left semi join touched_items
    on touched_items.dataareaid = lines.dataareaid
    and touched_items.item_key = lower(lines.itemid)
union
select lines.dataareaid, lines.recid
from salesline lines
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from lines.createddatetime) * 12 + extract(month from lines.createddatetime)
    and cast(lines.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from touched_lines

-- step: narrow salesline
select lines.*
from salesline lines
left semi join touched_lines
    on coalesce(touched_lines.recid, 0) = coalesce(lines.recid, 0)
    and coalesce(touched_lines.dataareaid, '') = coalesce(lines.dataareaid, '')

-- step: narrow salestable
select orders.*
from salestable orders
left semi join salesline
    on salesline.dataareaid = orders.dataareaid
    and lower(salesline.salesid) = lower(orders.salesid)

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join salestable
    on salestable.dataareaid = transactions.dataareaid
    and lower(salestable.salesid) = lower(transactions.salesorderid)

-- step: narrow custtable
select customers.*
from custtable customers
left semi join salestable
    on salestable.dataareaid = customers.dataareaid
    and lower(salestable.custaccount) = lower(customers.accountnum)

-- step: narrow inventtable
select items.*
from inventtable items
left semi join salesline
    on salesline.dataareaid = items.dataareaid
    and lower(salesline.itemid) = lower(items.itemid)
