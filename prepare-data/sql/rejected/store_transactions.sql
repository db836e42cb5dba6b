-- Records of retailtransactiontable that are not in store_transactions, each with the first reason that applies:
-- company_missing, number_missing (of channel or transaction), voided, canceled, on_hold (carts has it), training, not_a_sale (drawer, shifts,
-- tender declarations, ...), unknown_status (a status that is not known), superseded (a newer record has the same number).
-- reads: retailtransactiontable
with entries as (
    select
        id,
        recid,
        versionnumber,
        dataareaid,
        channel,
        coalesce(store, '') as store,
        coalesce(terminal, '') as terminal,
        transactionid,
        coalesce(begindatetime, transdate) as recorded_at,
        case
            when dataareaid is null then 'company_missing'
            when channel is null or transactionid is null then 'number_missing'
            when entrystatus = 1 then 'voided'
            when entrystatus = 4 then 'canceled'
            when entrystatus = 5 then 'on_hold'
            when entrystatus = 6 then 'training'
            when coalesce(entrystatus, 0) not in (0, 2, 3, 7, 8) then 'unknown_status'
            when coalesce(type, 0) not in (2, 19) and not (coalesce(type, 0) >= 25 and salesorderid is not null) then 'not_a_sale'
        end as reason
    from retailtransactiontable
),
repeated_transactions as (
    select dataareaid, channel, store, terminal, transactionid
    from entries
    where reason is null
    group by dataareaid, channel, store, terminal, transactionid
    having count(*) > 1
),
superseded as (
    select id
    from (
        select
            entries.id,
            row_number() over (
                partition by entries.dataareaid, entries.channel, entries.store, entries.terminal, entries.transactionid
                order by entries.versionnumber desc nulls last, entries.recid desc nulls last, entries.id
            ) as place
        from entries
        left semi join repeated_transactions
            on repeated_transactions.dataareaid = entries.dataareaid
            and repeated_transactions.channel = entries.channel
            and repeated_transactions.store = entries.store
            and repeated_transactions.terminal = entries.terminal
            and repeated_transactions.transactionid = entries.transactionid
        where entries.reason is null
    ) ranked
    where place > 1
)
select
    'retailtransactiontable' as source_table,
    entries.id as source_id,
    entries.dataareaid,
    concat_ws(
        '|',
        coalesce(entries.dataareaid, ''),
        coalesce(cast(entries.channel as string), ''),
        entries.store,
        entries.terminal,
        coalesce(entries.transactionid, '')
    ) as key,
    entries.recorded_at,
    coalesce(entries.reason, 'superseded') as reason
from entries
left join superseded on superseded.id = entries.id
where entries.reason is not null or superseded.id is not null
