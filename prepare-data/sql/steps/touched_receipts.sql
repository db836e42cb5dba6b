-- What the rows of the touched transactions are made of. Of a large table, two columns are compared first, which leave few rows,
-- and then all five: a transaction number is used once in a terminal.

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(transactions.transactionid, '')
    and touched_transactions.channel = coalesce(transactions.channel, 0)

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(transactions.transactionid, '')
    and touched_transactions.terminal = coalesce(transactions.terminal, '')
    and touched_transactions.store = coalesce(transactions.store, '')
    and touched_transactions.channel = coalesce(transactions.channel, 0)
    and touched_transactions.dataareaid = coalesce(transactions.dataareaid, '')

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(lines.transactionid, '')
    and touched_transactions.channel = coalesce(lines.channel, 0)

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join touched_transactions
    on touched_transactions.transactionid = coalesce(lines.transactionid, '')
    and touched_transactions.terminal = coalesce(lines.terminalid, '')
    and touched_transactions.store = coalesce(lines.store, '')
    and touched_transactions.channel = coalesce(lines.channel, 0)
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
