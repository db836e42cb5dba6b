-- Entries whose row may differ from last time: those of a card with a changed entry, because the balance after the later ones
-- changes with it, of a changed card, or of a customer of the card's holder; those that name a customer whose record changed; and
-- those of a kind of point, a tier or a program that changed.

-- step: touched_cards
select lower(cardnumber) as card_key
from changed_retailloyaltycardrewardpointtrans
where cardnumber is not null
union
select lower(cardnumber) as card_key
from changed_retailloyaltycard
where cardnumber is not null
union
select lower(cards.cardnumber) as card_key
from retailloyaltycard cards
left semi join changed_custtable on changed_custtable.party = cards.party
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
left semi join changed_custtable
    on lower(changed_custtable.accountnum) = lower(entries.custaccount)
    and changed_custtable.dataareaid = coalesce(entries.custaccountdataareaid, entries.loyaltytransdataareaid)
where entries.cardnumber is not null
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
left semi join changed_retailloyaltyrewardpoint on changed_retailloyaltyrewardpoint.recid = entries.rewardpoint
where entries.cardnumber is not null
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
left semi join changed_retailaffiliation on changed_retailaffiliation.recid = entries.affiliation
where entries.cardnumber is not null
union
select lower(entries.cardnumber) as card_key
from retailloyaltycardrewardpointtrans entries
left semi join (
    select recid
    from changed_retailloyaltytier
    union
    select tiers.recid
    from retailloyaltytier tiers
    left semi join changed_retailaffiliation on changed_retailaffiliation.recid = tiers.affiliation
) touched_tiers on touched_tiers.recid = entries.loyaltytier
where entries.cardnumber is not null

-- step: touched_records
select recid
from changed_retailloyaltycardrewardpointtrans

-- step: narrow retailloyaltycardrewardpointtrans
select entries.*
from retailloyaltycardrewardpointtrans entries
left semi join touched_cards on touched_cards.card_key = lower(entries.cardnumber)
union all
select entries.*
from retailloyaltycardrewardpointtrans entries
left semi join touched_records on coalesce(touched_records.recid, 0) = coalesce(entries.recid, 0)
where entries.cardnumber is null

-- step: affected
select coalesce(cast(recid as string), '') as key
from retailloyaltycardrewardpointtrans
union
select coalesce(cast(recid as string), '') as key
from changed_retailloyaltycardrewardpointtrans

-- step: narrow retailloyaltycard
select cards.*
from retailloyaltycard cards
left semi join retailloyaltycardrewardpointtrans entries on lower(entries.cardnumber) = lower(cards.cardnumber)

-- step: narrow custtable
select customers.*
from custtable customers
left semi join retailloyaltycard cards on cards.party = customers.party
union
select customers.*
from custtable customers
left semi join retailloyaltycardrewardpointtrans entries
    on lower(entries.custaccount) = lower(customers.accountnum)
    and coalesce(entries.custaccountdataareaid, entries.loyaltytransdataareaid) = customers.dataareaid
