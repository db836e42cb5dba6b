-- Hierarchies of categories.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    versionnumber,
    sinkmodifiedon
from current_ecorescategoryhierarchy
