-- Accounts that receipts write in other letters than the customer's record. Finance and operations apps compare numbers
-- without case.
select named.dataareaid, named.custaccount, min(customers.accountnum) as accountnum
from (
    select dataareaid, coalesce(custaccount, custaccountasync) as custaccount
    from retailtransactiontable
    where coalesce(custaccount, custaccountasync) is not null
    group by dataareaid, coalesce(custaccount, custaccountasync)
) named
inner join custtable customers
    on customers.dataareaid = named.dataareaid
    and lower(customers.accountnum) = lower(named.custaccount)
group by named.dataareaid, named.custaccount
having min(case when customers.accountnum = named.custaccount then 0 else 1 end) = 1
