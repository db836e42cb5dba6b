-- The transactions of the point of sale that are sales, returns or customer orders.
-- view: yes
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
