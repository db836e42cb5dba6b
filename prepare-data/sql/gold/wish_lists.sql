-- One row for each product on a wish list of a customer. A product that was taken off its list is not in this table. The lists are in
-- headquarters: the channels write them by Real-time Service, and they are there only if the online store uses them.
-- Left out: lines without a record id or a product.
-- category: activity
-- key: wish_list_line_id
-- time: added_at
-- driver: retailwishlistlinetable
-- reads: retailwishlistlinetable, retailwishlisttable, custtable, inventtable
-- uses: wish_list_entries
with accounts as ( -- as their records write them
    select dataareaid, lower(accountnum) as account_key, min(accountnum) as accountnum
    from custtable
    where dataareaid is not null and accountnum is not null
    group by dataareaid, lower(accountnum)
),
items as ( -- one item for a product, whatever the export contains
    select dataareaid, product, min(itemid) as itemid
    from inventtable
    where dataareaid is not null and product is not null and itemid is not null
    group by dataareaid, product
)
select
    cast(entries.recid as string) as wish_list_line_id, -- Record id of the line
    cast(entries.wishlistid as string) as wish_list_id, -- Record id of the list, the same for all its lines
    entries.dataareaid as company, -- Company (legal entity), in lower case; where the export does not say, the only one that has the customer number, else empty
    entries.dataareaid || '-' || coalesce(accounts.accountnum, entries.customerid) as customer_id, -- Customer who added the product; where the line does not say, the list's owner: customers.customer_id
    entries.dataareaid || '-' || coalesce(owners.accountnum, entries.ownerid) as owner_customer_id, -- Customer whose list it is: customers.customer_id
    entries.name as wish_list_name, -- Name that the customer gave the list
    entries.dataareaid || '-' || items.itemid as product_id, -- Product on the list: products.product_id; empty for a variant that is no item of its own
    cast(entries.productid as string) as product_record_id, -- Record id of the product, or of its variant
    entries.createddatetime as added_at, -- When the product was added (UTC)
    cast(entries.quantity as decimal(32, 6)) as quantity, -- Quantity wished for
    entries.unitofmeasure as unit, -- Unit of the quantity
    entries.duedatetime as due_at, -- When the customer needs what is on the list, as for a wedding
    coalesce(entries.isfavorite, 0) = 1 as is_favorite, -- Whether the customer marked the product as a favourite
    coalesce(entries.isprivate, 0) = 1 or coalesce(entries.list_is_private, 0) = 1 as is_private, -- Whether only the customer may see the list, or this line of it: not for messages to others
    coalesce(entries.iscollaborative, 0) = 1 as is_collaborative -- Whether others may add to the list
from wish_list_entries entries
left join accounts
    on accounts.dataareaid = entries.dataareaid
    and accounts.account_key = lower(entries.customerid)
left join accounts owners
    on owners.dataareaid = entries.dataareaid
    and owners.account_key = lower(entries.ownerid)
left join items on items.dataareaid = entries.dataareaid and items.product = entries.productid
where entries.recid is not null and entries.productid is not null
