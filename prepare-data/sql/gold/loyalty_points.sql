-- One row for each entry of reward points on a loyalty card. Left out: entries without a card number. Points expire without an
-- entry of their own: expires_at says when.
-- category: activity
-- key: loyalty_entry_id
-- time: entered_at
-- driver: retailloyaltycardrewardpointtrans
-- reads: retailloyaltycardrewardpointtrans, retailloyaltycard, retailloyaltyrewardpoint, custtable
with cards as ( -- one holder for a card, whatever the export holds
    select lower(cardnumber) as card_key, max(party) as party
    from retailloyaltycard
    where cardnumber is not null
    group by lower(cardnumber)
),
customers_by_company as ( -- cards belong to persons, who may be customers of several companies
    select party, dataareaid, dataareaid || '-' || min(accountnum) as customer_id
    from custtable
    where party is not null and dataareaid is not null and accountnum is not null
    group by party, dataareaid
),
customers as (
    select party, min(customer_id) as customer_id
    from customers_by_company
    group by party
),
entries as (
    select
        entries.recid,
        entries.cardnumber,
        coalesce(entries.custaccountdataareaid, entries.loyaltytransdataareaid) as dataareaid,
        entries.custaccount,
        entries.entrytype,
        entries.rewardpointamountqty,
        entries.rewardpoint,
        coalesce(
            entries.entrydate + cast(cast(coalesce(entries.entrytime, 0) as string) || ' seconds' as interval),
            entries.createddatetime
        ) as entered_at,
        entries.expirationdate,
        entries.channel,
        entries.receiptid,
        entries.salesid,
        entries.loyaltytransdataareaid,
        cards.party
    from retailloyaltycardrewardpointtrans entries
    left join cards on cards.card_key = lower(entries.cardnumber)
    where entries.recid is not null and entries.cardnumber is not null
)
select
    cast(entries.recid as string) as loyalty_entry_id, -- Record id of the entry; cards know no company
    entries.dataareaid as company, -- Company (legal entity) where the points came or went, in lower case
    coalesce(entries.dataareaid || '-' || entries.custaccount, customers_by_company.customer_id, customers.customer_id) as customer_id, -- The customer of the entry; else the card holder in the entry's company; else in the first company by code: customers.customer_id
    entries.cardnumber as loyalty_card_number, -- Loyalty card
    case entries.entrytype when 1 then 'earned' when 2 then 'redeemed' when 3 then 'taken_back' when 4 then 'adjusted' when 5 then 'given_back' else 'other' end as entry_kind, -- earned, redeemed, taken_back (earned points of returned goods), adjusted, given_back (redeemed points of returned goods) or other
    case when entries.entrytype in (2, 3) then -abs(entries.rewardpointamountqty) when entries.entrytype = 5 then abs(entries.rewardpointamountqty) else entries.rewardpointamountqty end as points, -- What the balance changed by: negative when redeemed or taken back
    coalesce(kinds.rewardpointid, cast(entries.rewardpoint as string)) as reward_point, -- Kind of point
    entries.entered_at, -- When the points came or went
    entries.expirationdate as expires_at, -- When points expire that are not used by then
    cast(entries.channel as string) as channel_id, -- Where it happened: channels.channel_id
    entries.receiptid as receipt_number, -- Receipt of the purchase: store_transactions.receipt_number
    entries.loyaltytransdataareaid || '-' || entries.salesid as sales_order_id -- Order of the purchase: sales_orders.sales_order_id
from entries
left join customers_by_company
    on customers_by_company.party = entries.party
    and customers_by_company.dataareaid = entries.dataareaid
left join customers on customers.party = entries.party
left join retailloyaltyrewardpoint kinds on kinds.recid = entries.rewardpoint
