-- Lines whose row may differ from last time: their own record changed, or the order's, or a receipt that the order was made of.

-- step: touched_orders
select dataareaid, salesid
from changed_salestable
union
select dataareaid, salesorderid as salesid
from changed_retailtransactiontable
where salesorderid is not null

-- step: touched_lines
select dataareaid, recid
from changed_salesline
union
select lines.dataareaid, lines.recid
from salesline lines
left semi join touched_orders
    on touched_orders.dataareaid = lines.dataareaid
    and touched_orders.salesid = lines.salesid

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
    and salesline.salesid = orders.salesid

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join salestable
    on salestable.dataareaid = transactions.dataareaid
    and salestable.salesid = transactions.salesorderid
