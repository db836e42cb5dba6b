-- The records that carts are made of, with the number of the cart: transactions that are on hold at a point of sale, and carts of the
-- channel database where a retailer exports them. A cart that was put on hold again names the first time it was.
-- view: yes
with on_hold as (
    select
        id,
        dataareaid,
        channel,
        store,
        terminal,
        transactionid,
        coalesce(suspendedtransactionid, transactionid) as cart_number,
        coalesce(custaccount, custaccountasync) as custaccount,
        coalesce(
            begindatetime,
            transdate + cast(cast(coalesce(transtime, 0) as string) || ' seconds' as interval)
        ) as began_at,
        currency,
        grossamount
    from retailtransactiontable
    where entrystatus = 5
        and dataareaid is not null
        and channel is not null
        and transactionid is not null
        and (type in (2, 19) or type >= 25) -- a sale, or a customer order of any kind
),
lines as (
    select
        on_hold.id,
        cast(count(*) as int) as line_count,
        sum(lines.netamountincltax) as gross_amount
    from retailtransactionsalestrans lines
    inner join on_hold
        on on_hold.dataareaid = lines.dataareaid
        and on_hold.channel = lines.channel
        and on_hold.transactionid = lines.transactionid
        and coalesce(on_hold.store, '') = coalesce(lines.store, '')
        and coalesce(on_hold.terminal, '') = coalesce(lines.terminalid, '')
    where coalesce(lines.transactionstatus, 0) <> 1 -- not voided
    group by on_hold.id
),
channels as (
    select recid, min(inventlocationdataareaid) as dataareaid, min(currency) as currency
    from retailchanneltable
    group by recid
)
select
    on_hold.id,
    true as is_on_hold,
    on_hold.dataareaid,
    on_hold.channel,
    on_hold.transactionid,
    on_hold.cart_number,
    on_hold.custaccount,
    on_hold.began_at as created_at,
    on_hold.began_at as changed_at,
    cast(null as timestamp) as deleted_at,
    on_hold.currency,
    -- not every release adds up the transaction before it is paid
    coalesce(nullif(on_hold.grossamount, 0), lines.gross_amount)
        * case when parameters.store_sales_are_negative then -1 else 1 end as amount,
    cast(coalesce(lines.line_count, 0) as int) as line_count
from on_hold
cross join parameters
left join lines on lines.id = on_hold.id
union all
select
    carts.id,
    false as is_on_hold,
    coalesce(carts.dataareaid, channels.dataareaid) as dataareaid,
    carts.channelid as channel,
    carts.transactionid,
    carts.transactionid as cart_number,
    carts.customerid as custaccount,
    carts.createddatetime as created_at,
    coalesce(carts.modifieddatetime, carts.createddatetime) as changed_at,
    carts.deleteddatetime as deleted_at,
    channels.currency,
    carts.amount,
    cast(null as int) as line_count
from salestransaction carts
left join channels on channels.recid = carts.channelid
where coalesce(carts.dataareaid, channels.dataareaid) is not null
    and carts.channelid is not null
    and carts.transactionid is not null
