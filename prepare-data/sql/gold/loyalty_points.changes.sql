-- Entries whose row may differ from last time: their own record changed, or the card's, or a customer of the card's holder, or
-- the kind of point.

-- step: touched_cards
select lower(cardnumber) as card_key
from changed_retailloyaltycard
union
select lower(cards.cardnumber) as card_key
from retailloyaltycard cards
left semi join changed_custtable on changed_custtable.party = cards.party

-- step: touched_entries
select recid
from changed_retailloyaltycardrewardpointtrans
union
select entries.recid
from retailloyaltycardrewardpointtrans entries
left semi join touched_cards on touched_cards.card_key = lower(entries.cardnumber)
union
select entries.recid
from retailloyaltycardrewardpointtrans entries
left semi join changed_retailloyaltyrewardpoint on changed_retailloyaltyrewardpoint.recid = entries.rewardpoint

-- step: affected
select coalesce(cast(recid as string), '') as key
from touched_entries

-- step: narrow retailloyaltycardrewardpointtrans
select entries.*
from retailloyaltycardrewardpointtrans entries
left semi join touched_entries on coalesce(touched_entries.recid, 0) = coalesce(entries.recid, 0)

-- step: narrow retailloyaltycard
select cards.*
from retailloyaltycard cards
left semi join retailloyaltycardrewardpointtrans entries on lower(entries.cardnumber) = lower(cards.cardnumber)

-- step: narrow custtable
select customers.*
from custtable customers
left semi join retailloyaltycard cards on cards.party = customers.party
