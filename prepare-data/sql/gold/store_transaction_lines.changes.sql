-- Lines whose row may differ from last time: all lines of transactions that may.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items, repriced_transactions, touched_numbers, touched_transactions, touched_receipts

-- step: narrow inventtable
select items.*
from inventtable items
left semi join retailtransactionsalestrans lines
    on lines.dataareaid = items.dataareaid
    and lower(lines.itemid) = lower(items.itemid)

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from retailtransactionsalestrans
union
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from changed_retailtransactionsalestrans
