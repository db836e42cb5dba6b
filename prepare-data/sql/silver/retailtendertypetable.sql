-- Payment methods of each company.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(tendertypeid), '') as tendertypeid,
    nullif(trim(name), '') as name,
    defaultfunction,
    versionnumber,
    sinkmodifiedon
from current_retailtendertypetable
