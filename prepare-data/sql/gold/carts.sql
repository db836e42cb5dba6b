-- One row for each cart that reached headquarters. By default that is only what was put on hold at a point of sale: carts of an online
-- store stay in the channel database. If crt.SALESTRANSACTION is exported too (docs/lake says how), every cart is here.
-- Left out: carts without a number, a channel or a company.
-- category: activity
-- key: cart_id
-- time: last_changed_at
-- driver: retailtransactiontable
-- reads: retailtransactiontable, retailtransactionsalestrans, salestransaction, retailchanneltable, custtable, exchangerate, exchangeratecurrencypair, exchangeratetype, parameters
-- uses: cart_records, exchange_rate_months, exchange_rate_ranges, exchange_rates
with ranked as (
    select
        cart_records.*,
        row_number() over (
            partition by dataareaid, channel, cart_number
            order by changed_at desc nulls last, is_on_hold desc, id
        ) as place,
        row_number() over (
            partition by dataareaid, channel, cart_number, is_on_hold
            order by changed_at desc nulls last, id
        ) as place_of_kind
    from cart_records
),
carts as ( -- the newest record counts; only transactions on hold have lines
    select
        dataareaid,
        channel,
        cart_number,
        max(case when place = 1 then custaccount end) as custaccount,
        max(case when place = 1 then amount end) as amount,
        coalesce(max(case when place = 1 then currency end), max(currency)) as currency,
        max(case when is_on_hold and place_of_kind = 1 then line_count end) as line_count,
        max(case when not is_on_hold and place_of_kind = 1 then deleted_at end) as deleted_at,
        max(case when is_on_hold then changed_at end) as put_on_hold_at,
        max(case when is_on_hold then 1 else 0 end) = 1 as was_on_hold,
        min(created_at) as created_at,
        max(changed_at) as last_changed_at
    from ranked
    group by dataareaid, channel, cart_number
),
numbers as ( -- the transactions that ended a cart name it, or any time that it was on hold, or have its number
    select dataareaid, channel, cart_number, cart_number as transactionid
    from cart_records
    union
    select dataareaid, channel, cart_number, transactionid
    from cart_records
),
names as ( -- a transaction has a number, and may name another
    select dataareaid, channel, transactionid as name, store, terminal, transactionid, type, entrystatus, salesorderid, begindatetime, transdate, transtime
    from retailtransactiontable
    union all
    select dataareaid, channel, suspendedtransactionid as name, store, terminal, transactionid, type, entrystatus, salesorderid, begindatetime, transdate, transtime
    from retailtransactiontable
    where suspendedtransactionid is not null
),
endings as (
    select
        numbers.dataareaid,
        numbers.channel,
        numbers.cart_number,
        concat_ws('|', names.dataareaid, cast(names.channel as string), coalesce(names.store, ''), coalesce(names.terminal, ''), names.transactionid) as store_transaction_id,
        coalesce(names.entrystatus, 0) in (0, 2, 3, 7, 8) and (names.type in (2, 19) or (names.type >= 25 and names.salesorderid is not null)) as is_sale,
        names.entrystatus in (1, 4) as is_voided,
        coalesce(
            names.begindatetime,
            names.transdate + cast(cast(coalesce(names.transtime, 0) as string) || ' seconds' as interval)
        ) as began_at
    from numbers
    inner join names
        on names.dataareaid = numbers.dataareaid
        and names.channel = numbers.channel
        and names.name = numbers.transactionid
),
conversions as ( -- the first of the transactions that are in store_transactions
    select dataareaid, channel, cart_number, store_transaction_id, began_at
    from (
        select
            endings.*,
            row_number() over (
                partition by dataareaid, channel, cart_number
                order by began_at nulls last, store_transaction_id
            ) as place
        from endings
        where is_sale
    ) ordered
    where place = 1
),
voids as (
    select dataareaid, channel, cart_number, max(began_at) as voided_at
    from endings
    where is_voided
    group by dataareaid, channel, cart_number
),
accounts as ( -- as their records write them
    select dataareaid, lower(accountnum) as account_key, min(accountnum) as accountnum
    from custtable
    where dataareaid is not null and accountnum is not null
    group by dataareaid, lower(accountnum)
),
judged as (
    select
        carts.dataareaid,
        carts.channel,
        carts.cart_number,
        coalesce(accounts.accountnum, carts.custaccount) as custaccount,
        carts.was_on_hold,
        carts.created_at,
        carts.last_changed_at,
        carts.last_changed_at + cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval) as due_at,
        carts.deleted_at,
        carts.line_count,
        carts.amount,
        carts.currency,
        conversions.store_transaction_id,
        conversions.began_at as converted_at,
        case
            when conversions.store_transaction_id is not null then 'converted'
            when carts.deleted_at is not null then 'closed'
            when voids.voided_at >= coalesce(carts.put_on_hold_at, carts.created_at) then 'closed'
            when carts.last_changed_at + cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval) <= parameters.as_of then 'abandoned'
            else 'open'
        end as cart_status
    from carts
    cross join parameters
    left join accounts
        on accounts.dataareaid = carts.dataareaid
        and accounts.account_key = lower(carts.custaccount)
    left join conversions
        on conversions.dataareaid = carts.dataareaid
        and conversions.channel = carts.channel
        and conversions.cart_number = carts.cart_number
    left join voids
        on voids.dataareaid = carts.dataareaid
        and voids.channel = carts.channel
        and voids.cart_number = carts.cart_number
)
select
    concat_ws('|', dataareaid, cast(channel as string), cart_number) as cart_id, -- Company, channel and number
    dataareaid as company, -- Company (legal entity), in lower case; of a cart of the channel database, that of its channel
    cart_number, -- Number of the cart in the channel: the id of the cart, or of the transaction when it was put on hold first
    dataareaid || '-' || custaccount as customer_id, -- Customer, where known: customers.customer_id
    cast(channel as string) as channel_id, -- Where it was filled: channels.channel_id
    cart_status, -- open; abandoned: not changed for as many hours as the parameter cart_abandoned_after_hours says (24); converted: a transaction of store_transactions came of it; closed: emptied, voided or deleted, and no transaction names it
    cart_status = 'open' as is_open, -- Whether the customer may still come back for it
    cart_status = 'abandoned' as is_abandoned, -- Whether it is abandoned
    cart_status = 'converted' as is_converted, -- Whether it was bought
    was_on_hold as is_on_hold_at_store, -- Whether it was put on hold at a point of sale
    created_at, -- When it was begun (UTC; where the register recorded only its own clock, that)
    last_changed_at, -- When it was changed last; of a transaction on hold, when that transaction began
    case when cart_status = 'abandoned' then due_at end as abandoned_at, -- When it counted as abandoned; empty otherwise
    converted_at, -- When the transaction that came of it began
    store_transaction_id, -- The first transaction that came of it: store_transactions.store_transaction_id, which names the sales order
    line_count, -- Number of lines that are not voided; empty where only the channel database has the cart, whose lines nobody can read
    cast(amount as decimal(32, 6)) as total_amount, -- What is in the cart, with tax, after discounts
    currency, -- Currency of the amount; of a cart of the channel database, that of its channel
    cast(try_cast(amount as decimal(18, 6)) * rate as decimal(32, 6)) as reporting_amount, -- total_amount in the reporting currency, by the rate of the day (UTC) of the last change; empty without such a rate
    upper(reporting_currency) as reporting_currency -- Currency of reporting_amount: that of the parameter of this name; empty without it
-- the few rates first: an engine that does not know how many rows follow keeps the first table in memory
from exchange_rates
right join judged
    on exchange_rates.rate_currency = upper(currency)
    and exchange_rates.rate_month = extract(year from last_changed_at) * 12 + extract(month from last_changed_at)
    and cast(last_changed_at as date) between exchange_rates.rate_from and exchange_rates.rate_to
cross join parameters
