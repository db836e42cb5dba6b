-- Records of retailloyaltycardrewardpointtrans that are not in loyalty_points: record_missing (no record id), card_missing.
-- reads: retailloyaltycardrewardpointtrans
select
    'retailloyaltycardrewardpointtrans' as source_table,
    id as source_id,
    cast(null as string) as dataareaid,
    coalesce(cast(recid as string), '') as key,
    coalesce(createddatetime, entrydate) as recorded_at,
    case when recid is null then 'record_missing' else 'card_missing' end as reason
from retailloyaltycardrewardpointtrans
where recid is null or cardnumber is null
