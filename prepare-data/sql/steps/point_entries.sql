-- The entries of reward points that are published, each with its customer and with what it changed the balance by.
-- view: yes
select
    entries.recid,
    entries.dataareaid,
    coalesce(
        entries.dataareaid || '-' || coalesce(respelled.accountnum, entries.custaccount),
        in_company.customer_id,
        anywhere.customer_id
    ) as customer_id,
    entries.card_key,
    coalesce(cards.cardnumber, entries.cardnumber) as cardnumber,
    entries.entrytype,
    cast(
        case
            when entries.entrytype in (2, 3) then -abs(entries.rewardpointamountqty)
            when entries.entrytype = 5 then abs(entries.rewardpointamountqty)
            else entries.rewardpointamountqty
        end as decimal(32, 6)
    ) as points,
    entries.rewardpoint,
    entries.remaining,
    entries.entered_at,
    entries.expirationdate,
    entries.loyaltytier,
    entries.affiliation,
    entries.channel,
    entries.receiptid,
    entries.salesid,
    entries.loyaltytransdataareaid
from (
    select
        coalesce(custaccountdataareaid, loyaltytransdataareaid) as dataareaid,
        lower(cardnumber) as card_key,
        coalesce(
            entrydate + cast(cast(coalesce(entrytime, 0) as string) || ' seconds' as interval),
            createddatetime
        ) as entered_at,
        recid,
        cardnumber,
        custaccount,
        entrytype,
        rewardpointamountqty,
        rewardpoint,
        remaining,
        expirationdate,
        loyaltytier,
        affiliation,
        channel,
        receiptid,
        salesid,
        loyaltytransdataareaid
    from retailloyaltycardrewardpointtrans
    where recid is not null and cardnumber is not null
) entries
left join respelled_loyalty_accounts respelled
    on respelled.dataareaid = entries.dataareaid
    and respelled.custaccount = entries.custaccount
left join present_cards cards on cards.card_key = entries.card_key
left join holder_customers in_company
    on in_company.party = cards.party
    and in_company.dataareaid = entries.dataareaid
left join (
    select party, min(customer_id) as customer_id
    from holder_customers
    group by party
) anywhere on anywhere.party = cards.party
