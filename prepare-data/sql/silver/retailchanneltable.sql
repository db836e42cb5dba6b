-- Channels: stores, online stores, call centres.
select
    id,
    recid,
    nullif(trim(retailchannelid), '') as retailchannelid,
    channeltype,
    nullif(omoperatingunitid, 0) as omoperatingunitid,
    nullif(lower(trim(inventlocationdataareaid)), '') as inventlocationdataareaid,
    nullif(trim(currency), '') as currency,
    versionnumber,
    sinkmodifiedon
from current_retailchanneltable
