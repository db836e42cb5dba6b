-- One row for each variant of an item: the color, size, style and configuration that is sold. Items without variants have none.
-- The values are the ids of the dimensions, which are names as Black or M, in one language. Left out: variants without an item
-- number.
-- category: supporting
-- key: product_variant_id
-- driver: inventdimcombination
-- reads: inventdimcombination, inventdim, inventtable
-- uses: respelled_variant_items, variants
select
    dataareaid || '-' || itemid || '-' || variant_number as product_variant_id, -- Company, item number and variant number
    dataareaid || '-' || itemid as product_id, -- The item: products.product_id
    dataareaid as company, -- Company (legal entity), in lower case
    itemid as item_number, -- Item number in the company
    variant_number, -- Variant number; of a variant without one, the id of its dimensions
    inventcolorid as color, -- Color
    inventsizeid as size, -- Size
    inventstyleid as style, -- Style
    configid as configuration -- Configuration
from variants
