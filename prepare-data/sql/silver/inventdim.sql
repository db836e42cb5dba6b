-- Dimensions of items. The same table also has warehouses, batches and serial numbers, which are not read.
select
    id,
    recid,
    nullif(lower(trim(dataareaid)), '') as dataareaid,
    nullif(trim(inventdimid), '') as inventdimid,
    nullif(trim(inventcolorid), '') as inventcolorid,
    nullif(trim(inventsizeid), '') as inventsizeid,
    nullif(trim(inventstyleid), '') as inventstyleid,
    nullif(trim(configid), '') as configid,
    versionnumber,
    sinkmodifiedon
from current_inventdim
