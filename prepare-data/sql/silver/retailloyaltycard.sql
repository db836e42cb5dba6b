-- Loyalty cards and the parties that hold them.
select
    id,
    recid,
    nullif(trim(cardnumber), '') as cardnumber,
    nullif(party, 0) as party,
    cardtendertype,
    versionnumber,
    sinkmodifiedon
from current_retailloyaltycard
