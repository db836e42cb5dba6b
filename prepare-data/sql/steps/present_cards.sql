-- Loyalty cards: of each number the newest record. Cards belong to a party and know no company.
with cards as (
    select
        recid,
        lower(cardnumber) as card_key,
        cardnumber,
        party,
        cardtendertype,
        versionnumber
    from retailloyaltycard
    where cardnumber is not null
)
select recid, card_key, cardnumber, party, cardtendertype
from (
    select
        cards.*,
        row_number() over (partition by card_key order by versionnumber desc nulls last, recid desc nulls last) as place
    from cards
) ranked
where place = 1
