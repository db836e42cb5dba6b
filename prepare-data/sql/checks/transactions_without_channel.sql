-- Store transactions whose channel is not in channels.
-- reads: store_transactions, channels
select
    cast(coalesce(sum(case when known.channel_id is null then referring.row_count else 0 end), 0) as bigint) as gaps,
    cast(coalesce(sum(referring.row_count), 0) as bigint) as of_rows
from (
    select channel_id, count(*) as row_count
    from store_transactions
    where channel_id is not null
    group by channel_id
) referring
left join channels known on known.channel_id = referring.channel_id
