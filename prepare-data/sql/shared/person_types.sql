-- The party types that mean a person. A type is the id of a table and differs between environments, so nothing is assumed:
-- the configuration says it; else the environment's own dictionary; else the parties do, by having names of persons.
-- reads: dirpartytable, dirpersonname, sqldictionary, party_type_names
with types_in_use as (
    select instancerelationtype as type
    from dirpartytable
    where instancerelationtype is not null
    group by instancerelationtype
),
candidates as (
    select type, 1 as preference
    from party_type_names
    where lower(name) in ('person', 'dirperson')
    union all
    select dictionary.tableid as type, 2 as preference
    from sqldictionary dictionary
    left semi join types_in_use on types_in_use.type = dictionary.tableid
    where lower(dictionary.name) = 'dirperson'
    union all
    -- More than half: a single organisation with a stray name does not make organisations persons.
    select parties.instancerelationtype as type, 3 as preference
    from dirpartytable parties
    left join (select person from dirpersonname group by person) named on named.person = parties.recid
    where parties.instancerelationtype is not null
    group by parties.instancerelationtype
    having 2 * count(named.person) > count(*)
)
select cast(candidates.type as bigint) as type -- dirpartytable.instancerelationtype of persons
from candidates
inner join (select min(preference) as preference from candidates) best on best.preference = candidates.preference
group by candidates.type
