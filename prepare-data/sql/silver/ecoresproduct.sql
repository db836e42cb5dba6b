-- Products, which the items of several companies may share.
select
    id,
    recid,
    nullif(trim(displayproductnumber), '') as displayproductnumber,
    versionnumber,
    sinkmodifiedon
from current_ecoresproduct
