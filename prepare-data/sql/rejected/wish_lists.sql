-- Records of retailwishlistlinetable that are not in wish_lists: record_missing (no record id), product_missing.
-- reads: retailwishlistlinetable
select
    'retailwishlistlinetable' as source_table,
    id as source_id,
    dataareaid,
    coalesce(cast(recid as string), '') as key,
    createddatetime as recorded_at,
    case when recid is null then 'record_missing' else 'product_missing' end as reason
from retailwishlistlinetable
where recid is null or productid is null
