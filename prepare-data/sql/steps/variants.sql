-- The variants that are published, with the item number as the item's record writes it. Lines of receipts and orders name a
-- variant by its number (retailvariantid); one without a number has the id of its dimensions instead. Tables and columns:
-- InventDimCombination and InventDim in github.com/microsoft/CDM, operationsCommon/Tables/SupplyChain.
-- view: yes
with numbered as (
    select
        variants.dataareaid,
        coalesce(respelled.item_number, variants.itemid) as itemid,
        coalesce(variants.retailvariantid, variants.inventdimid) as variant_number,
        variants.inventdimid,
        variants.recid
    from inventdimcombination variants
    left join respelled_variant_items respelled
        on respelled.dataareaid = variants.dataareaid
        and respelled.itemid = variants.itemid
    where variants.dataareaid is not null and variants.itemid is not null
        and coalesce(variants.retailvariantid, variants.inventdimid) is not null
),
newest as (
    select dataareaid, itemid, variant_number, max(recid) as recid
    from numbered
    group by dataareaid, itemid, variant_number
),
dimensions as (
    select inventdim.dataareaid, inventdim.inventdimid, max(inventdim.recid) as recid
    from inventdim
    left semi join inventdimcombination variants
        on variants.dataareaid = inventdim.dataareaid
        and variants.inventdimid = inventdim.inventdimid
    group by inventdim.dataareaid, inventdim.inventdimid
)
select
    numbered.dataareaid,
    numbered.itemid,
    numbered.variant_number,
    inventdim.inventcolorid,
    inventdim.inventsizeid,
    inventdim.inventstyleid,
    inventdim.configid
from numbered
inner join newest
    on newest.dataareaid = numbered.dataareaid
    and newest.itemid = numbered.itemid
    and newest.variant_number = numbered.variant_number
    and newest.recid = numbered.recid
left join dimensions
    on dimensions.dataareaid = numbered.dataareaid
    and dimensions.inventdimid = numbered.inventdimid
left join inventdim
    on inventdim.dataareaid = dimensions.dataareaid
    and inventdim.recid = dimensions.recid
