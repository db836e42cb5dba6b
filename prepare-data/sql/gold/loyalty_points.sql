-- One row for each entry of reward points on a loyalty card. Left out: entries without a card number. Points expire without an
-- entry of their own: expires_at says when.
-- category: activity
-- key: loyalty_entry_id
-- time: entered_at
-- driver: retailloyaltycardrewardpointtrans
-- reads: retailloyaltycardrewardpointtrans, retailloyaltycard, retailloyaltyrewardpoint, retailloyaltytier, retailaffiliation, custtable
-- uses: respelled_loyalty_accounts, present_cards, holder_customers, point_entries
with entries as (
    select
        point_entries.*,
        sum(points) over (
            partition by card_key, rewardpoint
            order by entered_at nulls first, recid
            rows between unbounded preceding and current row
        ) as balance
    from point_entries
)
select
    cast(entries.recid as string) as loyalty_entry_id, -- Record id of the entry; cards know no company
    entries.dataareaid as company, -- Company (legal entity) where the points came or went, in lower case
    entries.customer_id, -- The customer of the entry; else the card holder in the entry's company; else in the first company by code: customers.customer_id
    entries.cardnumber as loyalty_card_number, -- Loyalty card: loyalty_cards.loyalty_card_number
    case entries.entrytype when 1 then 'earned' when 2 then 'redeemed' when 3 then 'taken_back' when 4 then 'adjusted' when 5 then 'given_back' else 'other' end as entry_kind, -- earned, redeemed, taken_back (earned points of returned goods), adjusted, given_back (redeemed points of returned goods) or other
    entries.points, -- What the balance changed by: negative when redeemed or taken back
    cast(entries.balance as decimal(32, 6)) as points_balance, -- Sum of the points of this kind on the card up to this entry; points that expired are in it
    cast(entries.remaining as decimal(32, 6)) as points_unused, -- Of earned points, those that are not used yet, as finance and operations keeps count; empty if it is not exported
    coalesce(kinds.rewardpointid, cast(entries.rewardpoint as string)) as reward_point, -- Kind of point
    coalesce(programs.name, tier_programs.name) as loyalty_program, -- Loyalty program that the entry names; else that of its tier
    tiers.tierid as loyalty_tier, -- Tier that the entry names: that of the card at that time
    entries.entered_at, -- When the points came or went
    entries.expirationdate as expires_at, -- Last day on which the points can be used
    cast(entries.channel as string) as channel_id, -- Where it happened: channels.channel_id
    entries.receiptid as receipt_number, -- Receipt of the purchase: store_transactions.receipt_number
    entries.loyaltytransdataareaid || '-' || entries.salesid as sales_order_id -- Order of the purchase: sales_orders.sales_order_id
from entries
left join retailloyaltyrewardpoint kinds on kinds.recid = entries.rewardpoint
left join retailloyaltytier tiers on tiers.recid = entries.loyaltytier
left join retailaffiliation programs on programs.recid = entries.affiliation
left join retailaffiliation tier_programs on tier_programs.recid = tiers.affiliation
