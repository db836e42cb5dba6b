-- The classification of each customer, and the number of open sales orders.
-- reads: custtable, salestable
with open_orders as (
    select dataareaid, lower(custaccount) as account_key, count(*) as order_count
    from salestable
    where salesstatus = 1
    group by dataareaid, lower(custaccount)
)
select
    customers.dataareaid || '-' || customers.accountnum as customer_id,
    max(customers.custclassificationid) as classification, -- Classification group of the customer
    cast(coalesce(max(open_orders.order_count), 0) as int) as open_order_count -- Sales orders that are open
from custtable customers
left join open_orders
    on open_orders.dataareaid = customers.dataareaid
    and open_orders.account_key = lower(customers.accountnum)
group by customers.dataareaid, customers.accountnum
