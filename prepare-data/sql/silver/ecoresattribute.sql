-- Attributes.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    versionnumber,
    sinkmodifiedon
from current_ecoresattribute
