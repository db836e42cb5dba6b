-- Variants of the items of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(itemid), '') as itemid,
    nullif(trim(inventdimid), '') as inventdimid,
    nullif(trim(retailvariantid), '') as retailvariantid,
    versionnumber,
    sinkmodifiedon
from current_inventdimcombination
