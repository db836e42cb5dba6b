-- Categories of products, in each hierarchy.
select
    id,
    recid,
    nullif(product, 0) as product,
    nullif(category, 0) as category,
    nullif(categoryhierarchy, 0) as categoryhierarchy,
    versionnumber,
    sinkmodifiedon
from current_ecoresproductcategory
