-- Item numbers that variants write in other letters than the item's record.
select named.dataareaid, named.itemid, min(items.itemid) as item_number
from (
    select dataareaid, itemid
    from inventdimcombination
    where itemid is not null
    group by dataareaid, itemid
) named
inner join inventtable items
    on items.dataareaid = named.dataareaid
    and lower(items.itemid) = lower(named.itemid)
group by named.dataareaid, named.itemid
having min(case when items.itemid = named.itemid then 0 else 1 end) = 1
