-- Products that have values of attributes.
select
    id,
    recid,
    nullif(product, 0) as product,
    versionnumber,
    sinkmodifiedon
from current_ecoresproductinstancevalue
