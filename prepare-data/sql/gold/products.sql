-- One row for each item of a company: companies may share a product, and each sells it as an item of its own. The name is in one
-- language and the category from one hierarchy (see parameters), so that no item has two rows. Left out: items without a number.
-- category: supporting
-- key: product_id
-- driver: inventtable
-- reads: inventtable, ecoresproduct, ecoresproducttranslation, ecoresproductcategory, ecorescategory, ecorescategoryhierarchy, parameters
with items as (
    select dataareaid, itemid, max(recid) as recid
    from inventtable
    where dataareaid is not null and itemid is not null
    group by dataareaid, itemid
),
product_names as (
    select product, name
    from (
        select
            translations.product,
            translations.name,
            row_number() over (
                partition by translations.product
                order by
                    case when lower(translations.languageid) = lower(parameters.language) then 0 else 1 end,
                    translations.languageid nulls last,
                    translations.recid
            ) as place
        from ecoresproducttranslation translations
        cross join parameters
    ) ranked
    where place = 1
),
hierarchy_sizes as (
    select categoryhierarchy, count(*) as product_count
    from ecoresproductcategory
    where categoryhierarchy is not null
    group by categoryhierarchy
),
chosen_hierarchy as (
    select categoryhierarchy
    from (
        select
            sizes.categoryhierarchy,
            row_number() over (order by sizes.product_count desc, sizes.categoryhierarchy) as place
        from hierarchy_sizes sizes
        left join ecorescategoryhierarchy hierarchies on hierarchies.recid = sizes.categoryhierarchy
        cross join parameters
        where parameters.category_hierarchy is null
            or lower(hierarchies.name) = lower(parameters.category_hierarchy)
            or cast(sizes.categoryhierarchy as string) = parameters.category_hierarchy
    ) ranked
    where place = 1
),
product_categories as (
    select memberships.product, min(memberships.category) as category
    from ecoresproductcategory memberships
    left semi join chosen_hierarchy on chosen_hierarchy.categoryhierarchy = memberships.categoryhierarchy
    group by memberships.product
)
select
    items.dataareaid || '-' || items.itemid as product_id, -- Company and item number
    items.dataareaid as company, -- Company (legal entity), in lower case
    items.itemid as item_number, -- Item number in the company
    products.displayproductnumber as product_number, -- Product number, the same in every company
    coalesce(product_names.name, inventtable.namealias, items.itemid) as product_name, -- Name in the configured language, else in another; else the search name or the item number
    categories.name as category, -- Category in the configured hierarchy
    cast(product_categories.category as string) as category_id -- Record id of the category; names of categories may repeat
from items
inner join inventtable on inventtable.recid = items.recid and inventtable.dataareaid = items.dataareaid
left join ecoresproduct products on products.recid = inventtable.product
left join product_names on product_names.product = inventtable.product
left join product_categories on product_categories.product = inventtable.product
left join ecorescategory categories on categories.recid = product_categories.category
