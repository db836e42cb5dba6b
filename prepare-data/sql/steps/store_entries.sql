-- The transactions of the point of sale that are published: sales, returns and customer orders, of each number the newest
-- record.
select
    transactions.recid,
    transactions.dataareaid,
    transactions.channel,
    transactions.store,
    transactions.terminal,
    transactions.transactionid,
    transactions.owns_sale,
    transactions.is_return,
    transactions.entrystatus,
    transactions.receiptid,
    transactions.channelreferenceid,
    coalesce(respelled.accountnum, transactions.custaccount) as custaccount,
    transactions.loyaltycardid,
    coalesce(respelled_orders.salesid, transactions.salesorderid) as salesorderid,
    transactions.statementid,
    transactions.transacted_at,
    transactions.currency,
    transactions.net_amount,
    transactions.gross_amount
from sale_transactions transactions
left anti join superseded_transactions superseded on superseded.id = transactions.id
left join respelled_receipt_accounts respelled
    on respelled.dataareaid = transactions.dataareaid
    and respelled.custaccount = transactions.custaccount
left join respelled_orders
    on respelled_orders.dataareaid = transactions.dataareaid
    and respelled_orders.salesorderid = transactions.salesorderid
