-- Kinds of reward points.
select
    id,
    recid,
    nullif(trim(rewardpointid), '') as rewardpointid,
    versionnumber,
    sinkmodifiedon
from current_retailloyaltyrewardpoint
