-- Orders whose row may differ from last time: their own record changed, or one of their lines, or a receipt that they were
-- made of, or the customer appeared or disappeared, whose record decides how the number is written; or an exchange rate of their day,
-- which is that of the first line where the order has no time.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates

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

-- step: narrow salestable
select orders.*
from salestable orders
left semi join touched_orders
    on touched_orders.order_key = coalesce(lower(orders.salesid), '')
    and touched_orders.dataareaid = coalesce(orders.dataareaid, '')

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from salestable
union
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from changed_salestable

-- step: narrow salesline
select lines.*
from salesline lines
left semi join salestable
    on salestable.dataareaid = lines.dataareaid
    and lower(salestable.salesid) = lower(lines.salesid)

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
