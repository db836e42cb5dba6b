-- Carts whose row may differ from last time: a record of theirs changed, or a line, or a transaction that names them, or their channel,
-- or the customer appeared or disappeared; or the time has come since the last run at which they count as abandoned; or an exchange
-- rate of the day changed on which they were last changed.
-- uses: touched_accounts, exchange_rate_months, touched_exchange_rates

-- step: touched_channels
select recid
from (
    select recid, inventlocationdataareaid, currency
    from changed_retailchanneltable
    group by recid, inventlocationdataareaid, currency
    having count(*) = 1
) changed
group by recid

-- step: on_hold
select
    id,
    coalesce(dataareaid, '') as dataareaid,
    coalesce(channel, 0) as channel,
    coalesce(transactionid, '') as transactionid,
    coalesce(suspendedtransactionid, transactionid, '') as cart_number,
    lower(coalesce(custaccount, custaccountasync)) as account_key,
    coalesce(
        begindatetime,
        transdate + cast(cast(coalesce(transtime, 0) as string) || ' seconds' as interval)
    ) as began_at
from retailtransactiontable
where entrystatus = 5

-- step: touched_numbers
select coalesce(channel, 0) as channel, coalesce(transactionid, '') as number
from changed_retailtransactiontable
union
select coalesce(channel, 0) as channel, suspendedtransactionid as number
from changed_retailtransactiontable
where suspendedtransactionid is not null
union
select coalesce(channel, 0) as channel, coalesce(transactionid, '') as number
from changed_retailtransactionsalestrans
union
select coalesce(channelid, 0) as channel, coalesce(transactionid, '') as number
from changed_salestransaction
union
select on_hold.channel, on_hold.cart_number as number
from on_hold
left join touched_accounts
    on touched_accounts.account_key = on_hold.account_key
    and touched_accounts.dataareaid = on_hold.dataareaid
cross join parameters
where touched_accounts.account_key is not null
    or (
        on_hold.began_at
            > parameters.previous_as_of - cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval)
        and on_hold.began_at
            <= parameters.as_of - cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval)
    )
union
select on_hold.channel, on_hold.cart_number as number
from on_hold
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from on_hold.began_at) * 12 + extract(month from on_hold.began_at)
    and cast(on_hold.began_at as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to
union
select coalesce(carts.channel, 0) as channel, coalesce(carts.transactionid, '') as number
from (
    select channelid as channel, transactionid, coalesce(modifieddatetime, createddatetime) as changed_at
    from salestransaction
) carts
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from carts.changed_at) * 12 + extract(month from carts.changed_at)
    and cast(carts.changed_at as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to
union
select coalesce(carts.channelid, 0) as channel, coalesce(carts.transactionid, '') as number
from salestransaction carts
left join (select account_key from touched_accounts group by account_key) accounts on accounts.account_key = lower(carts.customerid)
left join touched_channels on touched_channels.recid = carts.channelid
cross join parameters
where accounts.account_key is not null
    or touched_channels.recid is not null
    or (
        coalesce(carts.modifieddatetime, carts.createddatetime)
            > parameters.previous_as_of - cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval)
        and coalesce(carts.modifieddatetime, carts.createddatetime)
            <= parameters.as_of - cast(cast(parameters.cart_abandoned_after_hours as string) || ' hours' as interval)
    )

-- step: touched_carts
select numbers.channel, numbers.number as cart_number
from touched_numbers numbers
union
select on_hold.channel, on_hold.cart_number
from on_hold
left semi join touched_numbers
    on touched_numbers.number = on_hold.transactionid
    and touched_numbers.channel = on_hold.channel

-- step: cart_numbers
select channel, cart_number as number
from touched_carts
union
select on_hold.channel, on_hold.transactionid as number
from on_hold
left semi join touched_carts
    on touched_carts.cart_number = on_hold.cart_number
    and touched_carts.channel = on_hold.channel

-- step: narrow salestransaction
select carts.*
from salestransaction carts
left semi join touched_carts
    on touched_carts.cart_number = coalesce(carts.transactionid, '')
    and touched_carts.channel = coalesce(carts.channelid, 0)

-- step: channel_companies
select recid, inventlocationdataareaid as dataareaid
from retailchanneltable
union
select recid, inventlocationdataareaid as dataareaid
from changed_retailchanneltable

-- step: affected
select
    concat_ws('|', on_hold.dataareaid, coalesce(cast(nullif(on_hold.channel, 0) as string), ''), on_hold.cart_number) as key
from on_hold
left semi join touched_carts
    on touched_carts.cart_number = on_hold.cart_number
    and touched_carts.channel = on_hold.channel
union
select
    concat_ws(
        '|',
        coalesce(dataareaid, ''),
        coalesce(cast(channel as string), ''),
        coalesce(suspendedtransactionid, transactionid, '')
    ) as key
from changed_retailtransactiontable
where entrystatus = 5
union
select
    concat_ws(
        '|',
        coalesce(carts.dataareaid, companies.dataareaid, ''),
        coalesce(cast(carts.channelid as string), ''),
        coalesce(carts.transactionid, '')
    ) as key
from (
    select dataareaid, channelid, transactionid
    from salestransaction
    union all
    select dataareaid, channelid, transactionid
    from changed_salestransaction
) carts
left join channel_companies companies on companies.recid = carts.channelid

-- step: other_carts
select on_hold.id
from on_hold
left anti join touched_carts
    on touched_carts.cart_number = on_hold.cart_number
    and touched_carts.channel = on_hold.channel

-- step: narrow retailtransactiontable
select transactions.*
from (
    select transactions.*
    from retailtransactiontable transactions
    left semi join cart_numbers
        on cart_numbers.number = coalesce(transactions.transactionid, '')
        and cart_numbers.channel = coalesce(transactions.channel, 0)
    union all
    select transactions.*
    from retailtransactiontable transactions
    left semi join cart_numbers
        on cart_numbers.number = transactions.suspendedtransactionid
        and cart_numbers.channel = coalesce(transactions.channel, 0)
    left anti join cart_numbers named
        on named.number = coalesce(transactions.transactionid, '')
        and named.channel = coalesce(transactions.channel, 0)
) transactions
left anti join other_carts on other_carts.id = transactions.id

-- step: narrow retailtransactionsalestrans
select lines.*
from retailtransactionsalestrans lines
left semi join (
    select channel, transactionid
    from retailtransactiontable
    where entrystatus = 5
) needed
    on needed.transactionid = lines.transactionid
    and needed.channel = lines.channel

-- step: narrow custtable
select customers.*
from custtable customers
left semi join (
    select lower(coalesce(custaccount, custaccountasync)) as account_key
    from retailtransactiontable
    where entrystatus = 5
    union all
    select lower(customerid) as account_key
    from salestransaction
) needed on needed.account_key = lower(customers.accountnum)
