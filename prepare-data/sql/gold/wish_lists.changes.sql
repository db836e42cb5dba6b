-- Lines whose row may differ from last time: their own record changed, or the list's, or a customer with the number of the line or of
-- the list, or an item of the product appeared or disappeared.
-- uses: touched_accounts

-- step: touched_products
select product
from (
    select dataareaid, itemid, product
    from changed_inventtable
    where product is not null
    group by dataareaid, itemid, product
    having count(*) = 1
) appeared
group by product

-- step: touched_lists
select recid
from changed_retailwishlisttable
union
select lists.recid
from retailwishlisttable lists
left semi join touched_accounts on touched_accounts.account_key = lower(lists.customerid)

-- step: touched_lines
select coalesce(recid, 0) as recid
from changed_retailwishlistlinetable
union
select coalesce(lines.recid, 0) as recid
from retailwishlistlinetable lines
left semi join touched_lists on touched_lists.recid = lines.wishlistid
union
select coalesce(lines.recid, 0) as recid
from retailwishlistlinetable lines
left semi join touched_accounts on touched_accounts.account_key = lower(lines.customerid)
union
select coalesce(lines.recid, 0) as recid
from retailwishlistlinetable lines
left semi join touched_products on touched_products.product = lines.productid

-- step: affected
select coalesce(cast(nullif(recid, 0) as string), '') as key
from touched_lines

-- step: narrow retailwishlistlinetable
select lines.*
from retailwishlistlinetable lines
left semi join touched_lines on touched_lines.recid = coalesce(lines.recid, 0)

-- step: narrow retailwishlisttable
select lists.*
from retailwishlisttable lists
left semi join retailwishlistlinetable on retailwishlistlinetable.wishlistid = lists.recid

-- step: narrow custtable
select customers.*
from custtable customers
left semi join (
    select lower(customerid) as account_key
    from retailwishlistlinetable
    union all
    select lower(customerid) as account_key
    from retailwishlisttable
) needed on needed.account_key = lower(customers.accountnum)

-- step: narrow inventtable
select items.*
from inventtable items
left semi join retailwishlistlinetable on retailwishlistlinetable.productid = items.product
