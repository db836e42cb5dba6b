-- Records of custtable that are not in customers, each with the first reason that applies: company_missing, number_missing,
-- party_missing (none, or one that is not exported), not_a_person, superseded (a newer record has the same number).
-- reads: custtable, dirpartytable, person_types
-- uses: superseded_customers
with judged as (
    select
        customers.id,
        customers.dataareaid,
        coalesce(customers.dataareaid, '') || '-' || coalesce(customers.accountnum, '') as key,
        customers.createddatetime as recorded_at,
        case
            when customers.dataareaid is null then 'company_missing'
            when customers.accountnum is null then 'number_missing'
            when parties.recid is null then 'party_missing'
            when person_types.type is null then 'not_a_person'
            when superseded.id is not null then 'superseded'
        end as reason
    from custtable customers
    left join dirpartytable parties on parties.recid = customers.party
    left join person_types on person_types.type = parties.instancerelationtype
    left join superseded_customers superseded on superseded.id = customers.id
)
select 'custtable' as source_table, id as source_id, dataareaid, key, recorded_at, reason
from judged
where reason is not null
