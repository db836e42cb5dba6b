-- What Commerce adds to customers of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(accountnum), '') as accountnum,
    optoutpersonalization,
    optoutwebactivitytracking,
    versionnumber,
    sinkmodifiedon
from current_retailcusttable
