-- Names of products in each language.
select
    id,
    recid,
    nullif(product, 0) as product,
    nullif(trim(name), '') as name,
    nullif(trim(languageid), '') as languageid,
    versionnumber,
    sinkmodifiedon
from current_ecoresproducttranslation
