-- One row for each item of a company: companies may share a product, and each sells it as an item of its own. The name is in one
-- language, the category from one hierarchy and the brand from one attribute (see parameters), so that no item has two rows. An
-- item that is sold in several colors or sizes has its variants in product_variants. Left out: items without a number.
-- category: supporting
-- key: product_id
-- driver: inventtable
-- reads: inventtable, ecoresproduct, ecoresproducttranslation, ecoresproductcategory, ecorescategory, ecorescategoryhierarchy, ecoresproductinstancevalue, ecoresattributevalue, ecoresattribute, ecorestextvalue, inventdimcombination, inventdim, parameters
-- uses: respelled_variant_items, variants
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
),
category_paths as ( -- neither engine needs recursion for eight levels; of a deeper category, the lowest eight are shown
    select
        level_1.recid as category,
        concat_ws(
            ' > ',
            level_8.name,
            level_7.name,
            level_6.name,
            level_5.name,
            level_4.name,
            level_3.name,
            level_2.name,
            level_1.name
        ) as path
    from ecorescategory level_1
    left join ecorescategory level_2 on level_2.recid = level_1.parentcategory
    left join ecorescategory level_3 on level_3.recid = level_2.parentcategory
    left join ecorescategory level_4 on level_4.recid = level_3.parentcategory
    left join ecorescategory level_5 on level_5.recid = level_4.parentcategory
    left join ecorescategory level_6 on level_6.recid = level_5.parentcategory
    left join ecorescategory level_7 on level_7.recid = level_6.parentcategory
    left join ecorescategory level_8 on level_8.recid = level_7.parentcategory
),
-- How a product gets values of attributes: EcoResAttributeValue in github.com/microsoft/CDM. That the brand is text of an
-- attribute of the product itself is how public reports read it; UNCONFIRMED for attributes of a catalog or of a category.
brand_attribute_values as (
    select attribute_values.instancevalue, attribute_values.value
    from ecoresattributevalue attribute_values
    left semi join (
        select attributes.recid
        from ecoresattribute attributes
        cross join parameters
        where lower(attributes.name) = lower(parameters.brand_attribute)
            or cast(attributes.recid as string) = parameters.brand_attribute
    ) brand_attributes on brand_attributes.recid = attribute_values.attribute
),
brand_values as (
    select instances.product, min(texts.recid) as value
    from brand_attribute_values
    inner join ecoresproductinstancevalue instances on instances.recid = brand_attribute_values.instancevalue
    inner join ecorestextvalue texts on texts.recid = brand_attribute_values.value
    where texts.textvalue is not null
    group by instances.product
),
brands as (
    select brand_values.product, texts.textvalue as brand
    from brand_values
    inner join ecorestextvalue texts on texts.recid = brand_values.value
),
variant_values as (
    select
        dataareaid,
        itemid,
        count(*) as variant_count,
        min(coalesce(inventcolorid, '')) as color,
        max(coalesce(inventcolorid, '')) as last_color,
        min(coalesce(inventsizeid, '')) as size,
        max(coalesce(inventsizeid, '')) as last_size,
        min(coalesce(inventstyleid, '')) as style,
        max(coalesce(inventstyleid, '')) as last_style,
        min(coalesce(configid, '')) as configuration,
        max(coalesce(configid, '')) as last_configuration
    from variants
    group by dataareaid, itemid
)
select
    items.dataareaid || '-' || items.itemid as product_id, -- Company and item number
    items.dataareaid as company, -- Company (legal entity), in lower case
    items.itemid as item_number, -- Item number in the company
    products.displayproductnumber as product_number, -- Product number, the same in every company
    coalesce(product_names.name, inventtable.namealias, items.itemid) as product_name, -- Name in the configured language, else in another; else the search name or the item number
    categories.name as category, -- Category in the configured hierarchy
    category_paths.path as category_path, -- Category with those above it, from the root of the hierarchy, as Clothing > Shoes > Boots; of more than eight levels, the lowest eight
    cast(product_categories.category as string) as category_id, -- Record id of the category; names of categories may repeat
    brands.brand as brand, -- Brand: the product's attribute of the configured name
    cast(coalesce(variant_values.variant_count, 0) as bigint) as variant_count, -- Variants in product_variants; 0 for an item without variants
    case when variant_values.color = variant_values.last_color then nullif(variant_values.color, '') end as color, -- Color that all variants have; NULL where they differ
    case when variant_values.size = variant_values.last_size then nullif(variant_values.size, '') end as size, -- Size that all variants have; NULL where they differ
    case when variant_values.style = variant_values.last_style then nullif(variant_values.style, '') end as style, -- Style that all variants have; NULL where they differ
    case when variant_values.configuration = variant_values.last_configuration then nullif(variant_values.configuration, '') end as configuration -- Configuration that all variants have; NULL where they differ
from items
inner join inventtable on inventtable.recid = items.recid and inventtable.dataareaid = items.dataareaid
left join ecoresproduct products on products.recid = inventtable.product
left join product_names on product_names.product = inventtable.product
left join product_categories on product_categories.product = inventtable.product
left join ecorescategory categories on categories.recid = product_categories.category
left join category_paths on category_paths.category = product_categories.category
left join brands on brands.product = inventtable.product
left join variant_values on variant_values.dataareaid = items.dataareaid and variant_values.itemid = items.itemid
