-- Transactions whose row may differ from last time: their own record changed, or one of their lines, or the customer or the order
-- appeared or disappeared, whose records decide how their numbers are written; or an exchange rate of their day.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, repriced_transactions, touched_numbers

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
select dataareaid, channel, store, terminal, transactionid
from repriced_transactions

-- step: affected
select concat_ws('|', dataareaid, channel, store, terminal, transactionid) as key
from touched_transactions

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
