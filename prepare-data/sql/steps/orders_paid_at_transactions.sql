-- Orders with payments in headquarters that have payments of their transaction, too: headquarters copies those (the class
-- RetailTransactionPaymentsHelper; UNCONFIRMED for which channels), and they must not count twice.
with paid_orders as (
    select headers.dataareaid, lower(headers.salesid) as order_key
    from mcrcustpaymtable payments
    inner join salestable headers
        on headers.dataareaid = payments.dataareaid
        and headers.recid = payments.refrecid
    where headers.salesid is not null
    group by headers.dataareaid, lower(headers.salesid)
),
transactions as (
    select
        paid_orders.dataareaid,
        paid_orders.order_key,
        entries.channel,
        coalesce(entries.store, '') as store,
        coalesce(entries.terminal, '') as terminal,
        entries.transactionid
    from paid_orders
    inner join retailtransactiontable entries
        on entries.dataareaid = paid_orders.dataareaid
        and lower(entries.salesorderid) = paid_orders.order_key
    where (entries.type = 19 or entries.type >= 25)
        and coalesce(entries.entrystatus, 0) in (0, 2, 3, 7, 8)
)
select transactions.dataareaid, transactions.order_key
from transactions
inner join retailtransactionpaymenttrans lines
    on lines.dataareaid = transactions.dataareaid
    and lines.channel = transactions.channel
    and coalesce(lines.store, '') = transactions.store
    and coalesce(lines.terminal, '') = transactions.terminal
    and lines.transactionid = transactions.transactionid
where lines.recid is not null
    and coalesce(lines.transactionstatus, 0) in (0, 2, 3, 7, 8) -- not voided, nor unknown
group by transactions.dataareaid, transactions.order_key
