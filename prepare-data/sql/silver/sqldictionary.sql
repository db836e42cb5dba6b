-- Tables of the environment by name and id.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    tableid,
    versionnumber,
    sinkmodifiedon
from current_sqldictionary
