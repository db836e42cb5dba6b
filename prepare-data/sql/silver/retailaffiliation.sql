-- Affiliations of customers; loyalty programs are a kind of them.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    versionnumber,
    sinkmodifiedon
from current_retailaffiliation
