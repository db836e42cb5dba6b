-- One row for each loyalty card, with its program, its tier and its points. Programs, tiers and points that expired are those
-- at the time of the run: a row changes when a record changes, or when a tier or points end to be valid. Left out: cards without
-- a number, and older records with the number of a newer one.
-- category: supporting
-- key: loyalty_card_number
-- driver: retailloyaltycard
-- reads: retailloyaltycard, retailloyaltycardtier, retailloyaltytier, retailaffiliation, retailloyaltycardrewardpointtrans, retailloyaltyrewardpoint, custtable, parameters
-- uses: respelled_loyalty_accounts, present_cards, holder_customers, point_entries
with valid_tiers as (
    select tiers.loyaltycard, tiers.loyaltytier, tiers.affiliation, tiers.validfrom, tiers.validto, tiers.recid
    from retailloyaltycardtier tiers
    cross join parameters
    where coalesce(tiers.validfrom <= parameters.as_of, true)
        and coalesce(tiers.validto + interval '1 day' > parameters.as_of, true) -- a date: its day is the last one
),
card_tiers as ( -- of the tiers valid now the one that began last
    select
        ranked.loyaltycard,
        ranked.program_count,
        coalesce(programs.name, tier_programs.name) as program,
        tiers.tierid,
        tiers.tierlevel,
        ranked.validfrom,
        ranked.validto
    from (
        select
            valid_tiers.*,
            row_number() over (
                partition by loyaltycard
                order by validfrom desc nulls last, recid desc nulls last
            ) as place,
            count(*) over (partition by loyaltycard) as program_count
        from valid_tiers
    ) ranked
    left join retailloyaltytier tiers on tiers.recid = ranked.loyaltytier
    left join retailaffiliation programs on programs.recid = ranked.affiliation
    left join retailaffiliation tier_programs on tier_programs.recid = tiers.affiliation
    where ranked.place = 1
),
entries as (
    select
        point_entries.card_key,
        point_entries.dataareaid,
        point_entries.entrytype,
        point_entries.points,
        point_entries.rewardpoint,
        point_entries.remaining,
        point_entries.entered_at,
        point_entries.expirationdate,
        coalesce(point_entries.expirationdate + interval '1 day' <= parameters.as_of, false) and point_entries.points > 0 as has_expired
    from point_entries
    cross join parameters
),
balances as (
    select
        card_key,
        cast(count(*) as int) as entry_count,
        min(entered_at) as first_entered_at,
        max(entered_at) as last_entered_at,
        min(coalesce(rewardpoint, 0)) as first_kind,
        max(coalesce(rewardpoint, 0)) as last_kind,
        sum(case when entrytype in (1, 3) then points end) as earned,
        sum(case when entrytype in (2, 5) then -points end) as redeemed,
        sum(points) as balance,
        sum(case when has_expired then remaining end) as expired,
        count(case when has_expired and remaining is null then 1 end) as unknown_count,
        min(case when not has_expired and remaining > 0 then expirationdate end) as next_expiry
    from entries
    group by card_key
),
companies as ( -- the company where the card was used last comes first
    select card_key, dataareaid, max(entered_at) as last_entered_at
    from entries
    group by card_key, dataareaid
),
holders as (
    select card_key, customer_id, customer_count
    from (
        select
            cards.card_key,
            customers.customer_id,
            count(*) over (partition by cards.card_key) as customer_count,
            row_number() over (
                partition by cards.card_key
                order by companies.last_entered_at desc nulls last, customers.dataareaid
            ) as place
        from present_cards cards
        inner join holder_customers customers on customers.party = cards.party
        left join companies
            on companies.card_key = cards.card_key
            and companies.dataareaid = customers.dataareaid
    ) ranked
    where place = 1
)
select
    cards.cardnumber as loyalty_card_number, -- Number of the card
    holders.customer_id, -- The card's holder in the company where the card was used last; if it was not, in the first company by code: customers.customer_id; empty for a card of nobody
    cast(coalesce(holders.customer_count, 0) as int) as customer_count, -- Companies whose customer the holder is
    coalesce(cards.cardtendertype = 3, false) as is_blocked, -- Whether the card is blocked
    card_tiers.program as loyalty_program, -- Loyalty program of the tier; of several, that of the tier that began last
    card_tiers.tierid as loyalty_tier, -- Tier valid at the time of the run
    cast(card_tiers.tierlevel as int) as tier_level, -- Level of the tier in its program
    card_tiers.validfrom as tier_valid_from, -- Since when the card has the tier
    case when card_tiers.validto < timestamp '2154-01-01 00:00:00' then card_tiers.validto end as tier_valid_to, -- Last day of the tier; empty if it has no end
    cast(coalesce(card_tiers.program_count, 0) as int) as tier_count, -- Tiers valid at the time of the run: more than one if the card is in several programs
    balances.first_entered_at as first_activity_at, -- First entry of points
    balances.last_entered_at as last_activity_at, -- Last entry of points
    cast(coalesce(balances.entry_count, 0) as int) as entry_count, -- Number of entries in loyalty_points
    case when balances.first_kind = balances.last_kind then coalesce(kinds.rewardpointid, cast(nullif(balances.first_kind, 0) as string)) end as reward_point, -- Kind of the points; empty if the card has several
    coalesce(balances.first_kind <> balances.last_kind, false) as has_mixed_points, -- Whether the card has points of several kinds; then it has no sums: loyalty_points.points_balance has the balance of each
    case when balances.first_kind = balances.last_kind then cast(coalesce(balances.earned, 0) as decimal(32, 6)) end as points_earned, -- Points earned, less those taken back
    case when balances.first_kind = balances.last_kind then cast(coalesce(balances.redeemed, 0) as decimal(32, 6)) end as points_redeemed, -- Points redeemed, less those given back
    case when balances.first_kind = balances.last_kind then cast(balances.balance as decimal(32, 6)) end as points_balance, -- Sum of all entries, as on a statement; points that expired are in it
    case when balances.first_kind = balances.last_kind and balances.unknown_count = 0 then cast(coalesce(balances.expired, 0) as decimal(32, 6)) end as points_expired, -- Points that expired before they were used; empty if the export does not say how many were left
    case when balances.first_kind = balances.last_kind and balances.unknown_count = 0 then cast(balances.balance - coalesce(balances.expired, 0) as decimal(32, 6)) end as points_available, -- Remaining balance: points_balance less points_expired
    balances.next_expiry as next_points_expire_at -- Last day of the unused points that expire next
from present_cards cards
left join holders on holders.card_key = cards.card_key
left join card_tiers on card_tiers.loyaltycard = cards.recid
left join balances on balances.card_key = cards.card_key
left join retailloyaltyrewardpoint kinds on kinds.recid = balances.first_kind
