-- Orders that receipts write in other letters than the order's record.
select named.dataareaid, named.salesorderid, min(orders.salesid) as salesid
from (
    select dataareaid, salesorderid
    from retailtransactiontable
    where salesorderid is not null
    group by dataareaid, salesorderid
) named
inner join salestable orders
    on orders.dataareaid = named.dataareaid
    and lower(orders.salesid) = lower(named.salesorderid)
group by named.dataareaid, named.salesorderid
having min(case when orders.salesid = named.salesorderid then 0 else 1 end) = 1
