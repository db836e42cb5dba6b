-- Orders whose row may differ from last time: their own record changed, or one of their lines, or a receipt that they were
-- made of.

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from changed_salestable
union
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from changed_salesline
union
select coalesce(dataareaid, '') || '-' || salesorderid as key
from changed_retailtransactiontable
where salesorderid is not null

-- step: narrow salestable
select orders.*
from salestable orders
left semi join affected
    on affected.key = coalesce(orders.dataareaid, '') || '-' || coalesce(orders.salesid, '')

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
