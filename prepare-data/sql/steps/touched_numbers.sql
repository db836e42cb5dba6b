-- Order numbers that appeared or disappeared: a record that only changed is there as it was and as it is.
select dataareaid, lower(salesid) as order_key
from changed_salestable
where salesid is not null
group by dataareaid, salesid
having count(*) = 1
