-- Transactions whose row may differ from last time: their own record changed, or one of their lines.

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
