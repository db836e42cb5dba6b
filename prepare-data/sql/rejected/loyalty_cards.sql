-- Records of retailloyaltycard that are not in loyalty_cards: number_missing, superseded (a newer record has the same number).
-- reads: retailloyaltycard
-- uses: present_cards
select
    'retailloyaltycard' as source_table,
    records.id as source_id,
    cast(null as string) as dataareaid,
    coalesce(records.cardnumber, '') as key,
    cast(null as timestamp) as recorded_at, -- its record does not say
    case when records.cardnumber is null then 'number_missing' else 'superseded' end as reason
from retailloyaltycard records
left anti join present_cards
    on present_cards.card_key = lower(records.cardnumber)
    and present_cards.recid = records.recid
