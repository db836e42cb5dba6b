"""The rules that explain where the tables of Microsoft's pipeline for Fabric and those of prepare-data differ.

Each rule is a question to the exported tables themselves, not to either result. What no rule explains is counted as
`unexplained`.
"""

from __future__ import annotations

UNEXPLAINED = "unexplained"

NEWEST = """
select * from (
    select *, row_number() over (
        partition by Id order by versionnumber desc nulls last, SinkModifiedOn desc nulls last, coalesce(IsDelete, false) desc
    ) as version_place
    from export_{table}
) where version_place = 1
"""
"""Of each exported row the newest version, deleted or not."""

EXPORTED = (
    "custtable", "dirpartytable", "dirpersonname", "salestable", "salesline", "retailtransactiontable",
    "retailloyaltycardrewardpointtrans", "logisticselectronicaddress", "logisticspostaladdress",
)

VIEWS = {
    "headers": """
        select lower(trim(dataareaid)) as company, lower(trim(salesid)) as order_key, max(salestype) as salestype,
            min(dataareaid) as written_company, min(trim(salesid)) as written_order, min(trim(custaccount)) as written_account
        from newest_salestable where not coalesce(IsDelete, false) group by 1, 2
    """,
    "posted": """
        select distinct lower(trim(dataareaid)) as company, lower(trim(salesorderid)) as order_key
        from newest_retailtransactiontable
        where not coalesce(IsDelete, false) and type = 2 and trim(salesorderid) <> ''
    """,
    "their_lines": """
        select *, cast(substring_index(OrderLineId, '_', -1) as bigint) as recid,
            row_number() over (partition by substring_index(OrderLineId, '_', -1) order by OrderLineId) as copy
        from activities_Orders
    """,
    "our_lines": """
        select *, cast(substring_index(sales_order_line_id, '-', -1) as bigint) as recid from ours_sales_order_lines
    """,
    "our_customers": """
        select *, lower(company || '_' || customer_number) as their_key from ours_customers
    """,
    "accounts": """
        select lower(trim(dataareaid) || '_' || trim(accountnum)) as their_key, max(not coalesce(IsDelete, false)) as present, max(party) as party, min(dataareaid) as written_company, min(accountnum) as written_account
        from newest_custtable group by 1
    """,
    "lines": f"""
        select
            case
                when ours.recid is null and theirs.copy > 1 then 'one line several times'
                when ours.recid is null and line.IsDelete then 'deleted lines'
                when ours.recid is null and headers.order_key is null then 'lines of deleted orders'
                when ours.recid is null and coalesce(headers.salestype, 3) not in (3, 4) then 'journals (quotations)'
                when ours.recid is null and posted.order_key is not null then 'sales of stores that were posted as orders'
                when ours.recid is null then '{UNEXPLAINED}: only theirs'
                when theirs.recid is null and line.dataareaid <> headers.written_company then 'lost: line and order write the company in other letters'
                when theirs.recid is null and trim(line.salesid) <> headers.written_order then 'lost: line and order write the order number in other letters'
                when theirs.recid is null and line.createddatetime is null then 'lost: lines without a time'
                when theirs.recid is null then '{UNEXPLAINED}: only ours'
                when theirs.LineAmount <> ours.line_amount or theirs.SalesQty <> ours.quantity
                    then case when versions.recid is not null then 'an older version of the line' else '{UNEXPLAINED}: other amount' end
                else 'same'
            end as rule,
            coalesce(ours.currency, theirs.CurrencyCode) as currency,
            theirs.recid as their_recid, theirs.OrderId, theirs.CustomerId, theirs.SalesQty, theirs.LineAmount, theirs.CostPrice, theirs.OrderTimestamp,
            ours.recid as our_recid, ours.sales_order_id, ours.customer_id, ours.quantity, ours.line_amount, ours.is_purchase, ours.line_kind,
            ours.line_status, ours.ordered_at,
            case
                when theirs.recid is null or ours.recid is null or theirs.CustomerId <=> lower(replace(ours.customer_id, '-', '_')) then null
                when our_customers.customer_id is null then 'no: not a published customer here'
                when theirs.CustomerId is null and accounts.written_company <> headers.written_company then 'lost'
                when theirs.CustomerId is null and accounts.written_account <> headers.written_account then 'lost'
                else 'unexplained'
            end as customer_rule
        from their_lines theirs
        full outer join our_lines ours on ours.recid = theirs.recid and theirs.copy = 1
        left join newest_salesline line on line.recid = coalesce(theirs.recid, ours.recid)
        left join headers on headers.company = lower(trim(line.dataareaid)) and headers.order_key = lower(trim(line.salesid))
        left join posted on posted.company = headers.company and posted.order_key = headers.order_key
        left join (select recid from export_salesline group by recid having count(*) > 1) versions on versions.recid = ours.recid
        left join our_customers on our_customers.customer_id = ours.customer_id
        left join accounts on accounts.their_key = our_customers.their_key
    """,
    "their_customers": """
        select *, row_number() over (partition by CustomerId order by DataAreaId, PartyRecordId) as copy from profiles_Customer
    """,
    "persons": """
        select person, max(not coalesce(IsDelete, false)) as present from newest_dirpersonname group by person
    """,
    "customers": f"""
        select
            case
                when ours.their_key is null and theirs.copy > 1 then 'one customer several times'
                when ours.their_key is null and not accounts.present then 'deleted customers'
                when ours.their_key is null and party.recid is null then 'customers without a party'
                when ours.their_key is null and party.IsDelete then 'customers whose party is deleted'
                when ours.their_key is null and persons.person is null then 'organisations'
                when ours.their_key is null then '{UNEXPLAINED}: only theirs'
                when theirs.CustomerId is null then '{UNEXPLAINED}: only ours'
                else 'same'
            end as rule,
            theirs.CustomerId, ours.customer_id, theirs.PartyType,
            party.recid as party, party.primarycontactemail, party.primaryaddresslocation,
            nullif(trim(theirs.PrimaryEmail), '') as their_email, ours.email,
            nullif(trim(theirs.AddressLine), '') as their_address, ours.postal_address,
            nullif(trim(theirs.PersonLastName), '') as their_last_name, ours.last_name
        from their_customers theirs
        full outer join our_customers ours on ours.their_key = theirs.CustomerId and theirs.copy = 1
        left join accounts on accounts.their_key = coalesce(theirs.CustomerId, ours.their_key)
        left join newest_dirpartytable party on party.recid = accounts.party
        left join persons on persons.person = party.recid
    """,
    "points": f"""
        select
            case
                when ours.recid is null and entry.IsDelete then 'deleted entries'
                when ours.recid is null then '{UNEXPLAINED}: only theirs'
                when theirs.rec_id is null and not exists_event then 'lost: entries without a time'
                when theirs.rec_id is null then '{UNEXPLAINED}: only ours'
                when theirs.points_delta <> ours.points then case when entry_versions.recid is not null then 'an older version of the entry' else '{UNEXPLAINED}: other points' end
                else 'same'
            end as rule,
            theirs.points_delta, ours.points, theirs.event_timestamp_utc, ours.entered_at,
            case
                when theirs.rec_id is null or ours.recid is null or cards.customer_id <=> lower(replace(ours.customer_id, '-', '_')) then null
                when cards.card_recid is null then 'lost: the card is deleted or not exported'
                when cards.customer_id is null and cards.party_recid = 0 then 'lost: the card has no holder, but the entry names the customer'
                when cards.customer_id is null then 'lost: the holder of the card is no customer, but the entry names one'
                when companies.party is not null then 'other: a customer of several companies, of whom one company was taken'
                else 'unexplained'
            end as customer_rule
        from (select * from loyalty_point_trans_silver where coalesce(event_timestamp_utc, expiration_date) is not null) theirs
        full outer join (select *, cast(loyalty_entry_id as bigint) as recid from ours_loyalty_points) ours on ours.recid = theirs.rec_id
        left join (select *, entrydate is not null as exists_event from newest_retailloyaltycardrewardpointtrans) entry on entry.recid = coalesce(theirs.rec_id, ours.recid)
        left join (select recid from export_retailloyaltycardrewardpointtrans group by recid having count(*) > 1) entry_versions on entry_versions.recid = ours.recid
        left join loyalty_card_silver cards on cards.card_recid = theirs.card_recid
        left join (select party_recid as party from customer_silver group by 1 having count(*) > 1) companies on companies.party = cards.party_recid
    """,
    "records": """
        select what, owner, value, deleted, row_number() over (
            partition by what, Id order by versionnumber desc nulls last, SinkModifiedOn desc nulls last, deleted desc
        ) = 1 as newest
        from (
            select 'e-mail address' as what, Id, recid as owner, trim(locator) as value, coalesce(IsDelete, false) as deleted, versionnumber, SinkModifiedOn from export_logisticselectronicaddress
            union all
            select 'postal address', Id, location, trim(address), coalesce(IsDelete, false), versionnumber, SinkModifiedOn from export_logisticspostaladdress
            union all
            select 'last name', Id, person, trim(lastname), coalesce(IsDelete, false), versionnumber, SinkModifiedOn from export_dirpersonname
        )
    """,
    "attributes": f"""
        select
            attribute.what, attribute.CustomerId,
            case
                when max(attribute.what = 'e-mail address' and attribute.theirs not like '%@%') then 'a phone number'
                when max(records.newest and not records.deleted) then 'of several that are valid at one time'
                when max(records.newest) then 'of a record that is deleted'
                when max(records.value is not null) then 'of an older version of the record'
                else '{UNEXPLAINED}'
            end as rule
        from (
            select 'e-mail address' as what, CustomerId, primarycontactemail as owner, their_email as theirs, email as ours from customers where rule = 'same'
            union all
            select 'postal address', CustomerId, primaryaddresslocation, their_address, postal_address from customers where rule = 'same'
            union all
            select 'last name', CustomerId, party, their_last_name, last_name from customers where rule = 'same'
        ) attribute
        left join records on records.what = attribute.what and records.owner = attribute.owner and records.value = attribute.theirs
        where not attribute.theirs <=> attribute.ours
        group by attribute.what, attribute.CustomerId
    """,
}
"""In this order: each may read those before it."""

FINDINGS = [
    ("order lines of canceled orders, and canceled lines; amount", "count(*), sum(LineAmount)", "lines", "their_recid is not null and our_recid is not null and line_status = 'canceled'"),
    ("order lines that are returns; amount", "count(*), sum(LineAmount)", "lines", "their_recid is not null and our_recid is not null and line_kind = 'return'"),
    ("order lines without customer: order and customer write company or account in other letters; customers", "count(*), count(distinct customer_id)", "lines", "customer_rule = 'lost'"),
    ("order lines with another customer: unexplained; customers", "count(*), count(distinct customer_id)", "lines", "customer_rule = 'unexplained'"),
    ("order lines with the time of the line, not of the order; most seconds", "count(*), max(abs(unix_timestamp(OrderTimestamp) - unix_timestamp(ordered_at)))", "lines", "OrderTimestamp <> ordered_at"),
    ("customers with several currencies, whose amounts are one sum; lines", "count(*), sum(lines)", "(select count(*) as lines from activities_Orders where CustomerId is not null group by CustomerId having count(distinct CurrencyCode) > 1)", "true"),
    ("customers of whom the type of party is not known; of all", "count(case when PartyType = '' then 1 end), count(*)", "customers", "CustomerId is not null"),
    ("loyalty entries with the day only; most seconds", "count(*), max(abs(unix_timestamp(event_timestamp_utc) - unix_timestamp(entered_at)))", "points", "event_timestamp_utc <> entered_at"),
    ("item numbers that several companies sell, as one product; products here", "count(*), sum(companies)", "(select count(distinct company) as companies from ours_products group by item_number having count(distinct company) > 1)", "true"),
    ("item numbers of whose several texts one was taken as the name; texts", "count(*), sum(names)", "(select count(distinct product_name) as names from salesline_silver group by item_id having count(distinct product_name) > 1)", "true"),
    ("cost of all lines as TotalCost adds it; price of a unit times quantity", "sum(CostPrice), sum(CostPrice * SalesQty)", "activities_Orders", "true"),
]
"""What differs within rows that both have: about; rows and another figure; table; rows that are meant."""

GROUPED = [
    ("customers with another", "what || ': ' || rule", "attributes", "rule is not null"),
    ("loyalty entries, customer", "customer_rule", "points", "customer_rule is not null"),
]
"""The same, by rule: about; name of the rule; table; rows that are meant."""
