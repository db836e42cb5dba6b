-- Item numbers that appeared or disappeared: a record that only changed is there as it was and as it is.
select dataareaid, lower(itemid) as item_key
from changed_inventtable
where itemid is not null
group by dataareaid, itemid
having count(*) = 1
