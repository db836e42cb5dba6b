-- Payment methods of each channel.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(channel, 0) as channel,
    nullif(trim(tendertypeid), '') as tendertypeid,
    nullif(trim(name), '') as name,
    function,
    posoperation,
    versionnumber,
    sinkmodifiedon
from current_retailstoretendertypetable
