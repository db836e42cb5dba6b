-- Transactions of days on which a rate into the reporting currency may differ from last time.
select
    coalesce(entries.dataareaid, '') as dataareaid,
    coalesce(entries.channel, 0) as channel,
    coalesce(entries.store, '') as store,
    coalesce(entries.terminal, '') as terminal,
    coalesce(entries.transactionid, '') as transactionid
from (
    select
        dataareaid,
        channel,
        store,
        terminal,
        transactionid,
        coalesce(
            begindatetime,
            transdate + cast(cast(coalesce(transtime, 0) as string) || ' seconds' as interval)
        ) as transacted_at
    from retailtransactiontable
) entries
left semi join touched_exchange_rates
    on touched_exchange_rates.rate_month = extract(year from entries.transacted_at) * 12 + extract(month from entries.transacted_at)
    and cast(entries.transacted_at as date) between touched_exchange_rates.rate_from and touched_exchange_rates.rate_to
