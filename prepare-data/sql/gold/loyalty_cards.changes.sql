-- Cards whose row may differ from last time: their own record changed, or a customer of the holder, or one of their entries or
-- tiers, or the program, tier or kind of point that these name; or a tier began or ended, or points expired, since the last run.

-- step: touched_programs
select tiers.recid
from retailloyaltytier tiers
left semi join changed_retailaffiliation on changed_retailaffiliation.recid = tiers.affiliation
union
select recid
from changed_retailloyaltytier

-- step: touched_records
select loyaltycard
from changed_retailloyaltycardtier
union
select tiers.loyaltycard
from retailloyaltycardtier tiers
cross join parameters
where (tiers.validfrom > parameters.previous_as_of and tiers.validfrom <= parameters.as_of)
    or (tiers.validto + interval '1 day' > parameters.previous_as_of and tiers.validto + interval '1 day' <= parameters.as_of)
union
select tiers.loyaltycard
from retailloyaltycardtier tiers
left semi join changed_retailaffiliation on changed_retailaffiliation.recid = tiers.affiliation
union
select tiers.loyaltycard
from retailloyaltycardtier tiers
left semi join touched_programs on touched_programs.recid = tiers.loyaltytier

-- step: touched_cards
select coalesce(lower(cardnumber), '') as card_key
from changed_retailloyaltycard
union
select lower(cardnumber) as card_key
from changed_retailloyaltycardrewardpointtrans
where cardnumber is not null
union
select coalesce(lower(cards.cardnumber), '') as card_key
from retailloyaltycard cards
left semi join touched_records on touched_records.loyaltycard = cards.recid
union
select coalesce(lower(cards.cardnumber), '') as card_key
from retailloyaltycard cards
left semi join changed_custtable on changed_custtable.party = cards.party
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
cross join parameters
where entries.cardnumber is not null
    and entries.expirationdate + interval '1 day' > parameters.previous_as_of
    and entries.expirationdate + interval '1 day' <= parameters.as_of
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
left semi join changed_retailloyaltyrewardpoint on changed_retailloyaltyrewardpoint.recid = entries.rewardpoint
where entries.cardnumber is not null

-- step: narrow retailloyaltycard
select cards.*
from retailloyaltycard cards
left semi join touched_cards on touched_cards.card_key = coalesce(lower(cards.cardnumber), '')

-- step: affected
select coalesce(cardnumber, '') as key
from retailloyaltycard
union
select coalesce(cardnumber, '') as key
from changed_retailloyaltycard

-- step: narrow retailloyaltycardtier
select tiers.*
from retailloyaltycardtier tiers
left semi join retailloyaltycard cards on cards.recid = tiers.loyaltycard

-- step: narrow retailloyaltycardrewardpointtrans
select entries.*
from retailloyaltycardrewardpointtrans entries
left semi join retailloyaltycard cards on lower(cards.cardnumber) = lower(entries.cardnumber)

-- step: narrow custtable
select customers.*
from custtable customers
left semi join retailloyaltycard cards on cards.party = customers.party
