-- Transactions of stores whose published rows may differ from last time: the record changed, or a line; or the customer, the order or
-- an item appeared or disappeared, whose records decide how their numbers are written; or an exchange rate of their day. A table that
-- has no items computes a few rows for nothing; in return, the large tables are searched once for all.
select
    coalesce(dataareaid, '') as dataareaid,
    coalesce(channel, 0) as channel,
    coalesce(store, '') as store,
    coalesce(terminal, '') as terminal,
    coalesce(transactionid, '') as transactionid
from changed_retailtransactiontable
union
select
    coalesce(dataareaid, '') as dataareaid,
    coalesce(channel, 0) as channel,
    coalesce(store, '') as store,
    coalesce(terminalid, '') as terminal,
    coalesce(transactionid, '') as transactionid
from changed_retailtransactionsalestrans
union
select
    coalesce(entries.dataareaid, '') as dataareaid,
    coalesce(entries.channel, 0) as channel,
    coalesce(entries.store, '') as store,
    coalesce(entries.terminal, '') as terminal,
    coalesce(entries.transactionid, '') as transactionid
from retailtransactiontable entries
left semi join touched_accounts
    on touched_accounts.account_key = lower(coalesce(entries.custaccount, entries.custaccountasync))
    and touched_accounts.dataareaid = entries.dataareaid
union
select
    coalesce(entries.dataareaid, '') as dataareaid,
    coalesce(entries.channel, 0) as channel,
    coalesce(entries.store, '') as store,
    coalesce(entries.terminal, '') as terminal,
    coalesce(entries.transactionid, '') as transactionid
from retailtransactiontable entries
left semi join touched_numbers
    on touched_numbers.order_key = lower(entries.salesorderid)
    and touched_numbers.dataareaid = entries.dataareaid
union
select
    coalesce(lines.dataareaid, '') as dataareaid,
    coalesce(lines.channel, 0) as channel,
    coalesce(lines.store, '') as store,
    coalesce(lines.terminalid, '') as terminal,
    coalesce(lines.transactionid, '') as transactionid
from retailtransactionsalestrans lines
left semi join touched_items
    on touched_items.item_key = lower(lines.itemid)
    and touched_items.dataareaid = lines.dataareaid
union
select dataareaid, channel, store, terminal, transactionid
from repriced_transactions
