-- Groups of customers, of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(custgroup), '') as custgroup,
    nullif(trim(name), '') as name,
    versionnumber,
    sinkmodifiedon
from current_custgroup
