-- Transactions whose row may differ from last time.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items, repriced_transactions, touched_numbers, touched_transactions, touched_receipts

-- step: affected
select concat_ws('|', dataareaid, coalesce(cast(nullif(channel, 0) as string), ''), store, terminal, transactionid) as key
from touched_transactions
