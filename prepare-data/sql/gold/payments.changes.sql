-- Payments whose row may differ from last time: those of transactions and orders of which the record or a payment changed, or of
-- which the customer appeared or disappeared, and those of a payment method that changed. An order's transactions are looked at
-- together with its payments in headquarters, because the former decide whether the latter count. Also those of days of which an
-- exchange rate changed; a payment in headquarters without a time has that of its order.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates, touched_items, repriced_transactions, touched_numbers, touched_transactions

-- step: touched_methods
select dataareaid, lower(tendertypeid) as method_key
from changed_retailtendertypetable
union
select dataareaid, lower(tendertypeid) as method_key
from changed_retailstoretendertypetable

-- step: touched_lines
select
    coalesce(dataareaid, '') as dataareaid,
    coalesce(channel, 0) as channel,
    coalesce(store, '') as store,
    coalesce(terminal, '') as terminal,
    coalesce(transactionid, '') as transactionid
from changed_retailtransactionpaymenttrans
union
select
    coalesce(lines.dataareaid, '') as dataareaid,
    coalesce(lines.channel, 0) as channel,
    coalesce(lines.store, '') as store,
    coalesce(lines.terminal, '') as terminal,
    coalesce(lines.transactionid, '') as transactionid
from retailtransactionpaymenttrans lines
left semi join touched_methods
    on touched_methods.method_key = lower(lines.tendertype)
    and touched_methods.dataareaid = lines.dataareaid

-- step: touched_order_payments
select refrecid, dataareaid
from changed_mcrcustpaymtable
union
select payments.refrecid, payments.dataareaid
from mcrcustpaymtable payments
left semi join touched_methods
    on touched_methods.method_key = lower(payments.tendertypeid)
    and touched_methods.dataareaid = payments.dataareaid
union
select payments.refrecid, payments.dataareaid
from mcrcustpaymtable payments
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from payments.createddatetime) * 12 + extract(month from payments.createddatetime)
    and cast(payments.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to

-- step: paid_transactions
-- those of touched payments, and a few others: all five columns are compared below
select
    transactions.dataareaid,
    transactions.channel,
    transactions.store,
    transactions.terminal,
    transactions.transactionid,
    transactions.salesorderid
from retailtransactiontable transactions
left semi join touched_lines
    on touched_lines.transactionid = coalesce(transactions.transactionid, '')
    and touched_lines.channel = coalesce(transactions.channel, 0)

-- step: touched_orders
select dataareaid, lower(salesid) as order_key
from changed_salestable
union
select dataareaid, lower(salesorderid) as order_key
from changed_retailtransactiontable
where salesorderid is not null
union
select entries.dataareaid, lower(entries.salesorderid) as order_key
from paid_transactions entries
left semi join touched_lines
    on touched_lines.transactionid = coalesce(entries.transactionid, '')
    and touched_lines.terminal = coalesce(entries.terminal, '')
    and touched_lines.store = coalesce(entries.store, '')
    and touched_lines.channel = coalesce(entries.channel, 0)
    and touched_lines.dataareaid = coalesce(entries.dataareaid, '')
where entries.salesorderid is not null
union
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join touched_accounts
    on touched_accounts.account_key = lower(orders.custaccount)
    and touched_accounts.dataareaid = orders.dataareaid
union
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join touched_order_payments
    on touched_order_payments.refrecid = orders.recid
    and touched_order_payments.dataareaid = orders.dataareaid
union
select orders.dataareaid, lower(orders.salesid) as order_key
from salestable orders
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from orders.createddatetime) * 12 + extract(month from orders.createddatetime)
    and cast(orders.createddatetime as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to

-- step: needed_transactions
select dataareaid, channel, store, terminal, transactionid
from touched_transactions
union
select dataareaid, channel, store, terminal, transactionid
from touched_lines
union
select
    coalesce(entries.dataareaid, '') as dataareaid,
    coalesce(entries.channel, 0) as channel,
    coalesce(entries.store, '') as store,
    coalesce(entries.terminal, '') as terminal,
    coalesce(entries.transactionid, '') as transactionid
from retailtransactiontable entries
left semi join touched_orders
    on touched_orders.order_key = lower(entries.salesorderid)
    and touched_orders.dataareaid = entries.dataareaid

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join needed_transactions
    on needed_transactions.transactionid = coalesce(transactions.transactionid, '')
    and needed_transactions.channel = coalesce(transactions.channel, 0)

-- step: narrow retailtransactiontable
select transactions.*
from retailtransactiontable transactions
left semi join needed_transactions
    on needed_transactions.transactionid = coalesce(transactions.transactionid, '')
    and needed_transactions.terminal = coalesce(transactions.terminal, '')
    and needed_transactions.store = coalesce(transactions.store, '')
    and needed_transactions.channel = coalesce(transactions.channel, 0)
    and needed_transactions.dataareaid = coalesce(transactions.dataareaid, '')

-- step: narrow retailtransactionpaymenttrans
select lines.*
from retailtransactionpaymenttrans lines
left semi join needed_transactions
    on needed_transactions.transactionid = coalesce(lines.transactionid, '')
    and needed_transactions.channel = coalesce(lines.channel, 0)

-- step: narrow retailtransactionpaymenttrans
select lines.*
from retailtransactionpaymenttrans lines
left semi join needed_transactions
    on needed_transactions.transactionid = coalesce(lines.transactionid, '')
    and needed_transactions.terminal = coalesce(lines.terminal, '')
    and needed_transactions.store = coalesce(lines.store, '')
    and needed_transactions.channel = coalesce(lines.channel, 0)
    and needed_transactions.dataareaid = coalesce(lines.dataareaid, '')

-- step: named_orders
select dataareaid, order_key
from touched_orders
union
select dataareaid, lower(salesorderid) as order_key
from retailtransactiontable
where salesorderid is not null

-- step: narrow salestable
select orders.*
from salestable orders
left semi join named_orders
    on named_orders.order_key = lower(orders.salesid)
    and named_orders.dataareaid = orders.dataareaid

-- step: referred_orders
select orders.recid, orders.dataareaid
from salestable orders
left semi join touched_orders
    on touched_orders.order_key = lower(orders.salesid)
    and touched_orders.dataareaid = orders.dataareaid
union
select recid, dataareaid
from changed_salestable
union
select refrecid as recid, dataareaid
from touched_order_payments

-- step: narrow mcrcustpaymtable
select payments.*
from mcrcustpaymtable payments
left semi join referred_orders
    on coalesce(referred_orders.recid, 0) = coalesce(payments.refrecid, 0)
    and coalesce(referred_orders.dataareaid, '') = coalesce(payments.dataareaid, '')

-- step: narrow custtable
select customers.*
from custtable customers
left semi join (
    select dataareaid, lower(coalesce(custaccount, custaccountasync)) as account_key
    from retailtransactiontable
    union
    select dataareaid, lower(custaccount) as account_key
    from salestable
) named
    on named.account_key = lower(customers.accountnum)
    and named.dataareaid = customers.dataareaid

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from retailtransactionpaymenttrans
union
select coalesce(dataareaid, '') || '-' || coalesce(cast(recid as string), '') as key
from changed_retailtransactionpaymenttrans
union
select coalesce(dataareaid, '') || '-order-' || coalesce(cast(recid as string), '') as key
from mcrcustpaymtable
union
select coalesce(dataareaid, '') || '-order-' || coalesce(cast(recid as string), '') as key
from changed_mcrcustpaymtable
