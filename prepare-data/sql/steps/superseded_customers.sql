-- Records of custtable that are older than another with the same number; hardly ever any.
with repeated_accounts as (
    select dataareaid, lower(accountnum) as number_key
    from custtable
    group by dataareaid, lower(accountnum)
    having count(*) > 1
)
select id
from (
    select
        customers.id,
        row_number() over (
            partition by customers.dataareaid, lower(customers.accountnum)
            order by customers.versionnumber desc nulls last, customers.recid desc nulls last, customers.id
        ) as place
    from custtable customers
    left semi join repeated_accounts
        on repeated_accounts.dataareaid = customers.dataareaid
        and repeated_accounts.number_key = lower(customers.accountnum)
) ranked
where place > 1
