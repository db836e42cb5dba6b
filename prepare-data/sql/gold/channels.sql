-- One row for each channel: store, online store, call centre.
-- category: supporting
-- key: channel_id
-- driver: retailchanneltable
-- reads: retailchanneltable, dirpartytable
select
    cast(channels.recid as string) as channel_id, -- Record id of the channel, by which orders and transactions name it
    channels.retailchannelid as channel_number, -- Channel number in the headquarters
    parties.name as channel_name, -- Name of the channel's operating unit
    case channels.channeltype when 0 then 'store' when 1 then 'online_store' when 2 then 'marketplace' when 3 then 'sharepoint' else 'other' end as channel_type, -- store, online_store, marketplace, sharepoint or other
    channels.currency as currency -- Currency of the channel
from retailchanneltable channels
left join dirpartytable parties on parties.recid = channels.omoperatingunitid
where channels.recid is not null
