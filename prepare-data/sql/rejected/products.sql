-- Records of inventtable that are not in products: company_missing, number_missing, superseded (a newer record has the same number).
-- reads: inventtable
with items as (
    select dataareaid, itemid, max(recid) as recid
    from inventtable
    where dataareaid is not null and itemid is not null
    group by dataareaid, itemid
)
select
    'inventtable' as source_table,
    records.id as source_id,
    records.dataareaid,
    coalesce(records.dataareaid, '') || '-' || coalesce(records.itemid, '') as key,
    cast(null as timestamp) as recorded_at, -- its record does not say
    case
        when records.dataareaid is null then 'company_missing'
        when records.itemid is null then 'number_missing'
        else 'superseded'
    end as reason
from inventtable records
left anti join items on items.dataareaid = records.dataareaid and items.itemid = records.itemid and items.recid = records.recid
