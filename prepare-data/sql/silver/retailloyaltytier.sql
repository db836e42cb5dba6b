-- Tiers of loyalty programs.
select
    id,
    recid,
    nullif(affiliation, 0) as affiliation,
    nullif(trim(tierid), '') as tierid,
    tierlevel,
    versionnumber,
    sinkmodifiedon
from current_retailloyaltytier
