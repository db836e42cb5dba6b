-- Lines whose row may differ from last time: those of transactions of which the record or a line changed, or of which the
-- customer, the order or an item appeared or disappeared, or of whose day an exchange rate changed.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, repriced_transactions, touched_numbers, touched_items

-- step: touched_transactions
select
    coalesce(dataareaid, '') as dataareaid,
    coalesce(cast(channel as string), '') as channel,
    coalesce(store, '') as store,
    coalesce(terminal, '') as terminal,
    coalesce(transactionid, '') as transactionid
from changed_retailtransactiontable
union
select
    coalesce(dataareaid, '') as dataareaid,
    coalesce(cast(channel as string), '') as channel,
    coalesce(store, '') as store,
    coalesce(terminalid, '') as terminal,
    coalesce(transactionid, '') as transactionid
from changed_retailtransactionsalestrans
union
select
    coalesce(entries.dataareaid, '') as dataareaid,
    coalesce(cast(entries.channel as string), '') as channel,
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
    coalesce(cast(entries.channel as string), '') as channel,
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
    coalesce(cast(lines.channel as string), '') as channel,
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

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(transactions.transactionid, '')
    and touched_transactions.terminal = coalesce(transactions.terminal, '')
    and touched_transactions.store = coalesce(transactions.store, '')
    and touched_transactions.channel = coalesce(cast(transactions.channel as string), '')
    and touched_transactions.dataareaid = coalesce(transactions.dataareaid, '')

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(lines.transactionid, '')
    and touched_transactions.terminal = coalesce(lines.terminalid, '')
    and touched_transactions.store = coalesce(lines.store, '')
    and touched_transactions.channel = coalesce(cast(lines.channel as string), '')
    and touched_transactions.dataareaid = coalesce(lines.dataareaid, '')

-- step: narrow custtable
select customers.*
from custtable customers
left semi join retailtransactiontable entries
    on entries.dataareaid = customers.dataareaid
    and lower(coalesce(entries.custaccount, entries.custaccountasync)) = lower(customers.accountnum)

-- step: narrow salestable
select orders.*
from salestable orders
left semi join retailtransactiontable entries
    on entries.dataareaid = orders.dataareaid
    and lower(entries.salesorderid) = lower(orders.salesid)

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
