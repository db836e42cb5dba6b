-- Orders whose row may differ from last time.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items, touched_orders

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from salestable
union
select coalesce(dataareaid, '') || '-' || coalesce(salesid, '') as key
from changed_salestable
