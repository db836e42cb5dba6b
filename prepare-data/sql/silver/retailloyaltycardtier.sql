-- Tiers and programs of loyalty cards. A card may have several, each valid for a time.
select
    id,
    recid,
    nullif(loyaltycard, 0) as loyaltycard,
    nullif(loyaltytier, 0) as loyaltytier,
    nullif(affiliation, 0) as affiliation,
    case when validfrom > timestamp '1900-01-01 00:00:00' then validfrom end as validfrom,
    case when validto > timestamp '1900-01-01 00:00:00' then validto end as validto,
    versionnumber,
    sinkmodifiedon
from current_retailloyaltycardtier
