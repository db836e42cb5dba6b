-- The orders whose published rows may differ from last time, and what these rows are made of: the record changed, a line, or a
-- transaction that names it; or the customer or an item appeared or disappeared, whose records decide how their numbers are
-- written; or an exchange rate of the day of the order or of a line. A table that has no items computes a few rows for nothing; in
-- return, the large tables are searched once for all.

-- step: touched_orders
select coalesce(dataareaid, '') as dataareaid, coalesce(lower(salesid), '') as order_key
from changed_salestable
union
select coalesce(dataareaid, '') as dataareaid, coalesce(lower(salesid), '') as order_key
from changed_salesline
union
select coalesce(dataareaid, '') as dataareaid, lower(salesorderid) as order_key
from changed_retailtransactiontable
where salesorderid is not null
union
select coalesce(orders.dataareaid, '') as dataareaid, coalesce(lower(orders.salesid), '') as order_key
from salestable orders
left semi join touched_accounts
    on touched_accounts.account_key = lower(orders.custaccount)
    and touched_accounts.dataareaid = orders.dataareaid
union
select coalesce(orders.dataareaid, '') as dataareaid, coalesce(lower(orders.salesid), '') as order_key
from salestable orders
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from orders.createddatetime) * 12 + extract(month from orders.createddatetime)
    and cast(orders.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to
union
select coalesce(lines.dataareaid, '') as dataareaid, coalesce(lower(lines.salesid), '') as order_key
from salesline lines
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from lines.createddatetime) * 12 + extract(month from lines.createddatetime)
    and cast(lines.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to
union
select coalesce(lines.dataareaid, '') as dataareaid, coalesce(lower(lines.salesid), '') as order_key
from salesline lines
left semi join touched_items
    on touched_items.item_key = lower(lines.itemid)
    and touched_items.dataareaid = lines.dataareaid

-- step: narrow salestable
select orders.*
from salestable orders
left semi join touched_orders
    on touched_orders.order_key = coalesce(lower(orders.salesid), '')
    and touched_orders.dataareaid = coalesce(orders.dataareaid, '')

-- step: narrow salesline
select lines.*
from salesline lines
left semi join touched_orders
    on touched_orders.order_key = coalesce(lower(lines.salesid), '')
    and touched_orders.dataareaid = coalesce(lines.dataareaid, '')

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
