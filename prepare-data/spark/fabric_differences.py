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
    "retailloyaltycardrewardpointtrans",
)

VIEWS = {
    "headers": """
        select lower(trim(dataareaid)) as company, lower(trim(salesid)) as order_key, max(salestype) as salestype,
            min(dataareaid) as written_company, min(trim(salesid)) as written_order, max(salesstatus) as salesstatus
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
            ours.line_status, ours.ordered_at, headers.written_company
        from their_lines theirs
        full outer join our_lines ours on ours.recid = theirs.recid and theirs.copy = 1
        left join newest_salesline line on line.recid = coalesce(theirs.recid, ours.recid)
        left join headers on headers.company = lower(trim(line.dataareaid)) and headers.order_key = lower(trim(line.salesid))
        left join posted on posted.company = headers.company and posted.order_key = headers.order_key
        left join (select recid from export_salesline group by recid having count(*) > 1) versions on versions.recid = ours.recid
    """,
    "their_customers": """
        select *, row_number() over (partition by CustomerId order by DataAreaId, PartyRecordId) as copy from profiles_Customer
    """,
    "our_customers": """
        select *, lower(company || '_' || customer_number) as their_key from ours_customers
    """,
    "accounts": """
        select lower(trim(dataareaid) || '_' || trim(accountnum)) as their_key, max(not coalesce(IsDelete, false)) as present, max(party) as party
        from newest_custtable group by 1
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
            theirs.CustomerId, ours.customer_id,
            theirs.PartyType,
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
            theirs.points_delta, ours.points, cards.customer_id as their_customer,
            lower(replace(ours.customer_id, '-', '_')) as our_customer, theirs.event_timestamp_utc, ours.entered_at
        from (select * from loyalty_point_trans_silver where coalesce(event_timestamp_utc, expiration_date) is not null) theirs
        full outer join (select *, cast(loyalty_entry_id as bigint) as recid from ours_loyalty_points) ours on ours.recid = theirs.rec_id
        left join (select *, entrydate is not null as exists_event from newest_retailloyaltycardrewardpointtrans) entry on entry.recid = coalesce(theirs.rec_id, ours.recid)
        left join (select recid from export_retailloyaltycardrewardpointtrans group by recid having count(*) > 1) entry_versions on entry_versions.recid = ours.recid
        left join loyalty_card_silver cards on cards.card_recid = theirs.card_recid
    """,
}
"""In this order: each may read those before it."""

FINDINGS = [
    ("order lines counted as purchases that are canceled", "count(*), sum(LineAmount)", "lines", "rule in ('same', 'an older version of the line') and line_status = 'canceled'"),
    ("order lines counted as purchases that are returns", "count(*), sum(LineAmount)", "lines", "rule in ('same', 'an older version of the line') and line_kind = 'return'"),
    ("order lines that lost a customer who is in both tables: order and customer write the company in other letters", "count(*), count(distinct customer_id)", "lines", "their_recid is not null and our_recid is not null and CustomerId is null and customer_id in (select customer_id from ours_customers) and written_company is not null"),
    ("order lines with another customer", "count(*), count(distinct customer_id)", "lines", "CustomerId <> lower(replace(customer_id, '-', '_'))"),
    ("order lines with the time of the line, not of the order", "count(*), max(abs(unix_timestamp(OrderTimestamp) - unix_timestamp(ordered_at)))", "lines", "OrderTimestamp <> ordered_at"),
    ("cost: sum of CostPrice, and of CostPrice x SalesQty (of the lines that are the same)", "sum(CostPrice), sum(CostPrice * SalesQty)", "lines", "rule = 'same'"),
    ("customers whose amounts of several currencies are one sum", "count(*), sum(lines)", "(select CustomerId, count(*) as lines from activities_Orders where CustomerId is not null group by CustomerId having count(distinct CurrencyCode) > 1)", "true"),
    ("customers of whom the type of party is not known: its numbers are fixed in the notebook", "count(*), count(distinct CustomerId)", "customers", "PartyType = ''"),
    ("customers with a phone number as e-mail address", "count(*), count(distinct CustomerId)", "customers", "their_email not like '%@%'"),
    ("customers with another e-mail address otherwise", "count(*), count(distinct CustomerId)", "customers", "rule = 'same' and their_email like '%@%' and not their_email <=> email"),
    ("customers with another postal address", "count(*), count(distinct CustomerId)", "customers", "rule = 'same' and not their_address <=> postal_address"),
    ("customers with another last name", "count(*), count(distinct CustomerId)", "customers", "rule = 'same' and not their_last_name <=> last_name"),
    ("loyalty entries with the day only, without the time", "count(*), max(abs(unix_timestamp(event_timestamp_utc) - unix_timestamp(entered_at)))", "points", "event_timestamp_utc <> entered_at"),
    ("loyalty entries without customer, who is known", "count(*), count(distinct our_customer)", "points", "their_customer is null and our_customer is not null"),
    ("loyalty entries of another customer: a person of several companies", "count(*), count(distinct our_customer)", "points", "their_customer <> our_customer"),
    ("products: item numbers that several companies sell as one row", "count(*), sum(companies)", "(select count(distinct company) as companies from ours_products group by item_number having count(distinct company) > 1)", "true"),
    ("products: one of several texts of the lines was taken as the name", "count(*), sum(names)", "(select count(distinct product_name) as names from salesline_silver group by item_id having count(distinct product_name) > 1)", "true"),
]
"""What differs within rows that both have: about, figures, table, rows."""
