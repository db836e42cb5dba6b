-- Items of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(itemid), '') as itemid,
    nullif(product, 0) as product,
    nullif(trim(namealias), '') as namealias,
    versionnumber,
    sinkmodifiedon
from current_inventtable
