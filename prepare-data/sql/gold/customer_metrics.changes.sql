-- Customers whose rows may differ from last time: their own record changed, or that of another customer of the same person, or
-- whether the party is a person; or an order, a receipt, a line of one, a card or an entry of points that is theirs or was. All that
-- these customers ever bought is counted again. Orders, receipts and cards of others that the narrow tables contain do no harm:
-- only customers in custtable have rows.

-- step: touched_orders
select dataareaid, lower(salesid) as order_key
from changed_salestable
where salesid is not null
union
select dataareaid, lower(salesid) as order_key
from changed_salesline
where salesid is not null
union
select dataareaid, lower(salesorderid) as order_key
from changed_retailtransactiontable
where salesorderid is not null

-- step: touched_transactions
select dataareaid, channel, coalesce(store, '') as store, coalesce(terminal, '') as terminal, transactionid
from changed_retailtransactiontable
union
select dataareaid, channel, coalesce(store, '') as store, coalesce(terminalid, '') as terminal, transactionid
from changed_retailtransactionsalestrans

-- step: touched_cards
select lower(cardnumber) as card_key
from changed_retailloyaltycard
where cardnumber is not null
union
select lower(cardnumber) as card_key
from changed_retailloyaltycardrewardpointtrans
where cardnumber is not null

-- step: sold_transactions
-- the touched ones, and a few others: all five columns are compared below
select
    entries.dataareaid,
    entries.channel,
    entries.store,
    entries.terminal,
    entries.transactionid,
    lower(coalesce(entries.custaccount, entries.custaccountasync)) as account_key
from retailtransactiontable entries
left semi join touched_transactions
    on touched_transactions.transactionid = entries.transactionid
    and touched_transactions.channel = entries.channel

-- step: touched_accounts
select dataareaid, lower(custaccount) as account_key
from changed_salestable
union
select orders.dataareaid, lower(orders.custaccount) as account_key
from salestable orders
left semi join touched_orders
    on touched_orders.order_key = lower(orders.salesid)
    and touched_orders.dataareaid = orders.dataareaid
union
select dataareaid, lower(coalesce(custaccount, custaccountasync)) as account_key
from changed_retailtransactiontable
union
select entries.dataareaid, entries.account_key
from sold_transactions entries
left semi join touched_transactions
    on touched_transactions.transactionid = entries.transactionid
    and touched_transactions.terminal = coalesce(entries.terminal, '')
    and touched_transactions.store = coalesce(entries.store, '')
    and touched_transactions.channel = entries.channel
    and touched_transactions.dataareaid = entries.dataareaid
union
select coalesce(custaccountdataareaid, loyaltytransdataareaid) as dataareaid, lower(custaccount) as account_key
from changed_retailloyaltycardrewardpointtrans
union
select dataareaid, lower(accountnum) as account_key
from changed_custtable

-- step: touched_parties
select recid as party
from changed_dirpartytable
group by recid
having count(*) = 1 or min(coalesce(instancerelationtype, 0)) <> max(coalesce(instancerelationtype, 0))
union
select party
from changed_custtable
union
select party
from changed_retailloyaltycard
union
select cards.party
from retailloyaltycard cards
left semi join touched_cards on touched_cards.card_key = lower(cards.cardnumber)
union
select customers.party
from custtable customers
left semi join touched_accounts
    on touched_accounts.account_key = lower(customers.accountnum)
    and touched_accounts.dataareaid = customers.dataareaid

-- step: touched_customers
select dataareaid, account_key
from touched_accounts
where dataareaid is not null and account_key is not null
union
select customers.dataareaid, lower(customers.accountnum) as account_key
from custtable customers
left semi join touched_parties on touched_parties.party = customers.party
where customers.dataareaid is not null and customers.accountnum is not null

-- step: narrow custtable
select customers.*
from custtable customers
left semi join touched_customers
    on touched_customers.account_key = lower(customers.accountnum)
    and touched_customers.dataareaid = customers.dataareaid

-- step: narrow dirpartytable
select parties.*
from dirpartytable parties
left semi join custtable on custtable.party = parties.recid

-- step: counted_customers
select customers.dataareaid, lower(customers.accountnum) as account_key
from custtable customers
left semi join (
    select parties.recid
    from dirpartytable parties
    left semi join person_types on person_types.type = parties.instancerelationtype
) persons on persons.recid = customers.party

-- step: counted_orders
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join counted_customers customers
    on customers.account_key = lower(orders.custaccount)
    and customers.dataareaid = orders.dataareaid
where orders.salesid is not null

-- step: narrow salestable
select orders.*
from salestable orders
left semi join counted_orders
    on counted_orders.order_key = lower(orders.salesid)
    and counted_orders.dataareaid = orders.dataareaid

-- step: narrow salesline
select lines.*
from salesline lines
left semi join counted_orders
    on counted_orders.order_key = lower(lines.salesid)
    and counted_orders.dataareaid = lines.dataareaid

-- step: counted_transactions
select entries.dataareaid, entries.channel, coalesce(entries.store, '') as store, coalesce(entries.terminal, '') as terminal, entries.transactionid
from retailtransactiontable entries
left semi join counted_customers customers
    on customers.account_key = lower(coalesce(entries.custaccount, entries.custaccountasync))
    and customers.dataareaid = entries.dataareaid

-- step: needed_transactions
select dataareaid, channel, store, terminal, transactionid
from counted_transactions
union
select entries.dataareaid, entries.channel, coalesce(entries.store, '') as store, coalesce(entries.terminal, '') as terminal, entries.transactionid
from retailtransactiontable entries
left semi join counted_orders
    on counted_orders.order_key = lower(entries.salesorderid)
    and counted_orders.dataareaid = entries.dataareaid

-- step: narrow retailtransactiontable
select entries.*
from retailtransactiontable entries
left semi join needed_transactions
    on needed_transactions.transactionid = entries.transactionid
    and needed_transactions.channel = entries.channel

-- step: narrow retailtransactiontable
select entries.*
from retailtransactiontable entries
left semi join needed_transactions
    on needed_transactions.transactionid = entries.transactionid
    and needed_transactions.terminal = coalesce(entries.terminal, '')
    and needed_transactions.store = coalesce(entries.store, '')
    and needed_transactions.channel = entries.channel
    and needed_transactions.dataareaid = entries.dataareaid

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join counted_transactions
    on counted_transactions.transactionid = lines.transactionid
    and counted_transactions.channel = lines.channel

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join counted_transactions
    on counted_transactions.transactionid = lines.transactionid
    and counted_transactions.terminal = coalesce(lines.terminalid, '')
    and counted_transactions.store = coalesce(lines.store, '')
    and counted_transactions.channel = lines.channel
    and counted_transactions.dataareaid = lines.dataareaid

-- step: counted_cards
select lower(cards.cardnumber) as card_key
from retailloyaltycard cards
left semi join custtable on custtable.party = cards.party
where cards.cardnumber is not null

-- step: narrow retailloyaltycard
select cards.*
from retailloyaltycard cards
left semi join counted_cards on counted_cards.card_key = lower(cards.cardnumber)

-- step: counted_entries
select entries.id
from retailloyaltycardrewardpointtrans entries
left semi join counted_customers customers
    on customers.account_key = lower(entries.custaccount)
    and customers.dataareaid = coalesce(entries.custaccountdataareaid, entries.loyaltytransdataareaid)
union
select entries.id
from retailloyaltycardrewardpointtrans entries
left semi join counted_cards on counted_cards.card_key = lower(entries.cardnumber)

-- step: narrow retailloyaltycardrewardpointtrans
select entries.*
from retailloyaltycardrewardpointtrans entries
left semi join counted_entries on counted_entries.id = entries.id

-- step: currencies
select upper(coalesce(currencycode, '')) as currency
from salesline
union
select upper(coalesce(currencycode, '')) as currency
from changed_salesline
union
select upper(coalesce(currencycode, '')) as currency
from salestable
union
select upper(coalesce(currencycode, '')) as currency
from changed_salestable
union
select upper(coalesce(currency, '')) as currency
from retailtransactiontable
union
select upper(coalesce(currency, '')) as currency
from changed_retailtransactiontable
union
select upper(coalesce(currency, '')) as currency
from retailtransactionsalestrans
union
select upper(coalesce(currency, '')) as currency
from changed_retailtransactionsalestrans
union
select '' as currency

-- step: affected
select customers.dataareaid || '-' || customers.accountnum || '|' || currencies.currency as key
from custtable customers
cross join currencies
where customers.dataareaid is not null and customers.accountnum is not null
union
select customers.dataareaid || '-' || customers.accountnum || '|' || currencies.currency as key
from changed_custtable customers
cross join currencies
where customers.dataareaid is not null and customers.accountnum is not null
