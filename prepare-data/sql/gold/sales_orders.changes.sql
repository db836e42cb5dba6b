-- Orders whose row may differ from last time: their own record changed, or one of their lines, or a receipt that they were
-- made of.

-- step: touched_orders
select coalesce(dataareaid, '') as dataareaid, coalesce(salesid, '') as salesid
from changed_salestable
union
select coalesce(dataareaid, '') as dataareaid, coalesce(salesid, '') as salesid
from changed_salesline
union
select coalesce(dataareaid, '') as dataareaid, salesorderid as salesid
from changed_retailtransactiontable
where salesorderid is not null

-- step: affected
select dataareaid || '-' || salesid as key
from touched_orders

-- step: narrow salestable
select orders.*
from salestable orders
left semi join touched_orders
    on touched_orders.salesid = coalesce(orders.salesid, '')
    and touched_orders.dataareaid = coalesce(orders.dataareaid, '')

-- step: narrow salesline
select lines.*
from salesline lines
left semi join salestable
    on salestable.dataareaid = lines.dataareaid
    and salestable.salesid = lines.salesid

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join salestable
    on salestable.dataareaid = transactions.dataareaid
    and salestable.salesid = transactions.salesorderid
