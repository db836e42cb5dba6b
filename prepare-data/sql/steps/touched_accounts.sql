-- Customer numbers that appeared or disappeared: a record that only changed is there as it was and as it is.
select dataareaid, lower(accountnum) as account_key
from changed_custtable
where accountnum is not null
group by dataareaid, accountnum
having count(*) = 1
