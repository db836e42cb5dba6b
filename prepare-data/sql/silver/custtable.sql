-- Customers of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(accountnum), '') as accountnum,
    nullif(party, 0) as party,
    nullif(trim(custgroup), '') as custgroup,
    case when coalesce(createddatetime, createdon) > timestamp '1900-01-01 00:00:00' then coalesce(createddatetime, createdon) end as createddatetime,
    case when coalesce(modifieddatetime, modifiedon) > timestamp '1900-01-01 00:00:00' then coalesce(modifieddatetime, modifiedon) end as modifieddatetime,
    versionnumber,
    sinkmodifiedon
from current_custtable
