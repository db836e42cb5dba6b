-- Variants whose row may differ from last time: those of items of which a variant or the item's record changed, or of which the
-- dimensions changed. inventdim is large and grows daily, by warehouses, batches and serial numbers.

-- step: touched_items
select dataareaid, lower(itemid) as item_key
from changed_inventdimcombination
union
select dataareaid, lower(itemid) as item_key
from changed_inventtable
union
select variants.dataareaid, lower(variants.itemid) as item_key
from inventdimcombination variants
left semi join changed_inventdim dimensions
    on dimensions.inventdimid = variants.inventdimid
    and dimensions.dataareaid = variants.dataareaid

-- step: narrow inventdimcombination
select variants.*
from inventdimcombination variants
left semi join touched_items
    on coalesce(touched_items.item_key, '') = coalesce(lower(variants.itemid), '')
    and coalesce(touched_items.dataareaid, '') = coalesce(variants.dataareaid, '')

-- step: narrow inventtable
select items.*
from inventtable items
left semi join touched_items
    on touched_items.item_key = lower(items.itemid)
    and touched_items.dataareaid = items.dataareaid

-- step: narrow inventdim
select dimensions.*
from inventdim dimensions
left semi join inventdimcombination variants
    on variants.inventdimid = dimensions.inventdimid
    and variants.dataareaid = dimensions.dataareaid

-- step: spellings
select dataareaid, itemid
from inventtable
union
select dataareaid, itemid
from changed_inventtable
union
select dataareaid, itemid
from inventdimcombination
union
select dataareaid, itemid
from changed_inventdimcombination

-- step: numbers
select dataareaid, itemid, retailvariantid, inventdimid
from inventdimcombination
union
select dataareaid, itemid, retailvariantid, inventdimid
from changed_inventdimcombination

-- step: affected
select
    coalesce(numbers.dataareaid, '') || '-' || coalesce(spellings.itemid, '') || '-' ||
        coalesce(numbers.retailvariantid, numbers.inventdimid, '') as key
from numbers
inner join spellings
    on coalesce(spellings.dataareaid, '') = coalesce(numbers.dataareaid, '')
    and coalesce(lower(spellings.itemid), '') = coalesce(lower(numbers.itemid), '')
