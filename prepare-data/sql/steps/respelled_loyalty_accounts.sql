-- Accounts that entries of reward points write in other letters than the customer's record.
select named.dataareaid, named.custaccount, min(customers.accountnum) as accountnum
from (
    select coalesce(custaccountdataareaid, loyaltytransdataareaid) as dataareaid, custaccount
    from retailloyaltycardrewardpointtrans
    where custaccount is not null
    group by coalesce(custaccountdataareaid, loyaltytransdataareaid), custaccount
) named
inner join custtable customers
    on customers.dataareaid = named.dataareaid
    and lower(customers.accountnum) = lower(named.custaccount)
group by named.dataareaid, named.custaccount
having min(case when customers.accountnum = named.custaccount then 0 else 1 end) = 1
