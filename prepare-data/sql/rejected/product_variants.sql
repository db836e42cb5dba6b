-- Records of inventdimcombination that are not in product_variants: company_missing, number_missing (of the item, or both of the
-- variant and of its dimensions), superseded (a newer record has the same number).
-- reads: inventdimcombination, inventtable
-- uses: respelled_variant_items
with numbered as (
    select
        variants.id,
        variants.recid,
        variants.dataareaid,
        coalesce(respelled.item_number, variants.itemid) as itemid,
        coalesce(variants.retailvariantid, variants.inventdimid) as variant_number
    from inventdimcombination variants
    left join respelled_variant_items respelled
        on respelled.dataareaid = variants.dataareaid
        and respelled.itemid = variants.itemid
),
newest as (
    select dataareaid, itemid, variant_number, max(recid) as recid
    from numbered
    where dataareaid is not null and itemid is not null and variant_number is not null
    group by dataareaid, itemid, variant_number
)
select
    'inventdimcombination' as source_table,
    numbered.id as source_id,
    numbered.dataareaid,
    coalesce(numbered.dataareaid, '') || '-' || coalesce(numbered.itemid, '') || '-' || coalesce(numbered.variant_number, '') as key,
    cast(null as timestamp) as recorded_at, -- its record does not say
    case
        when numbered.dataareaid is null then 'company_missing'
        when numbered.itemid is null or numbered.variant_number is null then 'number_missing'
        else 'superseded'
    end as reason
from numbered
left anti join newest
    on newest.dataareaid = numbered.dataareaid
    and newest.itemid = numbered.itemid
    and newest.variant_number = numbered.variant_number
    and newest.recid = numbered.recid
