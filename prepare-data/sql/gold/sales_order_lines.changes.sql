-- Lines whose row may differ from last time: all lines of orders that may.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items, touched_orders

-- step: narrow inventtable
select items.*
from inventtable items
left semi join salesline
    on salesline.dataareaid = items.dataareaid
    and lower(salesline.itemid) = lower(items.itemid)

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from salesline
union
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from changed_salesline
