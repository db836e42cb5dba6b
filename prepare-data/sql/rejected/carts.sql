-- Transactions on hold and carts of the channel database that are not in carts, each with the first reason that applies:
-- company_missing (of a cart of the channel database: its channel has none either), number_missing (of channel or transaction),
-- not_a_sale.
-- reads: retailtransactiontable, salestransaction, retailchanneltable
with channels as (
    select recid, min(inventlocationdataareaid) as dataareaid
    from retailchanneltable
    group by recid
),
judged as (
    select
        'retailtransactiontable' as source_table,
        id as source_id,
        dataareaid,
        channel,
        coalesce(suspendedtransactionid, transactionid) as cart_number,
        coalesce(begindatetime, transdate) as recorded_at,
        case
            when dataareaid is null then 'company_missing'
            when channel is null or transactionid is null then 'number_missing'
            when not (coalesce(type, 0) in (2, 19) or coalesce(type, 0) >= 25) then 'not_a_sale'
        end as reason
    from retailtransactiontable
    where entrystatus = 5
    union all
    select
        'salestransaction' as source_table,
        carts.id as source_id,
        coalesce(carts.dataareaid, channels.dataareaid) as dataareaid,
        carts.channelid as channel,
        carts.transactionid as cart_number,
        carts.createddatetime as recorded_at,
        case
            when carts.channelid is null or carts.transactionid is null then 'number_missing'
            when coalesce(carts.dataareaid, channels.dataareaid) is null then 'company_missing'
        end as reason
    from salestransaction carts
    left join channels on channels.recid = carts.channelid
)
select
    source_table,
    source_id,
    dataareaid,
    concat_ws('|', coalesce(dataareaid, ''), coalesce(cast(channel as string), ''), coalesce(cart_number, '')) as key,
    recorded_at,
    reason
from judged
where reason is not null
