-- The orders that are published: no journals, subscriptions and other orders that are not sales, and no orders that statement
-- posting made of receipts.
-- view: yes
select
    orders.dataareaid,
    orders.salesid,
    coalesce(respelled_accounts.accountnum, orders.custaccount) as custaccount,
    orders.retailchanneltable,
    orders.salestype,
    orders.salesstatus,
    orders.currencycode,
    orders.createddatetime
from salestable orders
left anti join superseded_orders superseded on superseded.id = orders.id
left join respelled_accounts
    on respelled_accounts.dataareaid = orders.dataareaid
    and respelled_accounts.custaccount = orders.custaccount
left anti join posted_receipts
    on posted_receipts.dataareaid = orders.dataareaid
    and posted_receipts.salesorder_key = lower(orders.salesid)
where orders.dataareaid is not null
    and orders.salesid is not null
    and coalesce(orders.salestype, 3) in (3, 4) -- 3 sales order, 4 returned order
