-- The transactions of the point of sale that are published: sales, returns and customer orders, of each number the newest
-- record.
-- view: yes
with transactions as (
    select
        entries.id,
        entries.recid,
        entries.versionnumber,
        entries.dataareaid,
        entries.channel,
        coalesce(entries.store, '') as store, -- online there is neither store nor terminal, and NULL equals nothing
        coalesce(entries.terminal, '') as terminal,
        entries.transactionid,
        entries.type = 2 as owns_sale,
        coalesce(entries.saleisreturnsale, 0) = 1 as is_return,
        entries.entrystatus,
        entries.receiptid,
        entries.channelreferenceid,
        coalesce(entries.custaccount, entries.custaccountasync) as custaccount,
        entries.loyaltycardid,
        entries.salesorderid,
        entries.statementid,
        coalesce(
            entries.begindatetime,
            entries.transdate + cast(cast(coalesce(entries.transtime, 0) as string) || ' seconds' as interval)
        ) as transacted_at,
        entries.currency,
        case
            when entries.type = 2 and parameters.store_sales_are_negative then -entries.netamount
            when entries.type = 2 then entries.netamount
        end as net_amount,
        case
            when entries.type = 2 and parameters.store_sales_are_negative then -entries.grossamount
            when entries.type = 2 then entries.grossamount
        end as gross_amount
    from retailtransactiontable entries
    cross join parameters
    where entries.dataareaid is not null
        and entries.channel is not null
        and entries.transactionid is not null
        and coalesce(entries.entrystatus, 0) in (0, 2, 3, 7, 8) -- not voided, canceled, on hold or training, nor unknown
        -- 2 sale, 19 customer order; newer releases have more kinds of customer orders from 25 up, which name their order
        and (entries.type in (2, 19) or (entries.type >= 25 and entries.salesorderid is not null))
),
repeated_transactions as (
    select dataareaid, channel, store, terminal, transactionid
    from transactions
    group by dataareaid, channel, store, terminal, transactionid
    having count(*) > 1
),
superseded as ( -- an older record with the number of a newer one; hardly ever any
    select id
    from (
        select
            transactions.id,
            row_number() over (
                partition by
                    transactions.dataareaid,
                    transactions.channel,
                    transactions.store,
                    transactions.terminal,
                    transactions.transactionid
                order by
                    transactions.versionnumber desc nulls last,
                    transactions.recid desc nulls last,
                    transactions.id
            ) as place
        from transactions
        left semi join repeated_transactions
            on repeated_transactions.dataareaid = transactions.dataareaid
            and repeated_transactions.channel = transactions.channel
            and repeated_transactions.store = transactions.store
            and repeated_transactions.terminal = transactions.terminal
            and repeated_transactions.transactionid = transactions.transactionid
    ) ranked
    where place > 1
)
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
from transactions
left anti join superseded on superseded.id = transactions.id
left join respelled_receipt_accounts respelled
    on respelled.dataareaid = transactions.dataareaid
    and respelled.custaccount = transactions.custaccount
left join respelled_orders
    on respelled_orders.dataareaid = transactions.dataareaid
    and respelled_orders.salesorderid = transactions.salesorderid
