-- The present rows of {table}: of each id the newest version, and nothing where that version says deleted. Deletes are
-- dropped after the newest is found, never before: the version under a delete would rise again.
-- Wide rows are not sorted unless their id really repeats.

-- step: repeated_ids
select id
from bronze_{table}
group by id
having count(*) > 1

-- step: current_{table}
select bronze.*, cast(1 as bigint) as place
from bronze_{table} bronze
left anti join repeated_ids on repeated_ids.id = bronze.id
where coalesce(bronze.isdelete, false) = false
union all
select ranked.*
from (
    select
        bronze.*,
        cast(row_number() over (
            partition by bronze.id
            order by
                bronze.lakefolder desc nulls last,
                bronze.versionnumber desc nulls first, -- deletes in CSV have none, and follow what they delete
                bronze.sinkmodifiedon desc nulls last,
                coalesce(bronze.isdelete, false) desc
        ) as bigint) as place
    from bronze_{table} bronze
    left semi join repeated_ids on repeated_ids.id = bronze.id
) ranked
where ranked.place = 1 and coalesce(ranked.isdelete, false) = false
