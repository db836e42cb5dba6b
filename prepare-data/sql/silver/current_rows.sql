-- The present rows of {table}: of each id the newest version, and nothing where that version says deleted. Deletes are
-- dropped after the newest is found, never before: the version under a delete would rise again.
-- Which version is the newest: 1. the row version. A row without one, as some deletes, comes after the versions that were
-- written before it; if its time of writing is not known, after those of its folder and of earlier folders. 2. the time of
-- writing. 3. the folder. 4. a delete.
-- Wide rows are not sorted unless their id really repeats, and not more than once unless a version lacks its number.

-- step: repeated_ids
select id, count(versionnumber) < count(*) as lacks_number
from bronze_{table}
group by id
having count(*) > 1

-- step: current_{table}
select bronze.*, bronze.versionnumber as version_position, cast(1 as bigint) as place
from bronze_{table} bronze
left anti join repeated_ids on repeated_ids.id = bronze.id
where coalesce(bronze.isdelete, false) = false
union all
select ranked.*
from (
    select
        bronze.*,
        bronze.versionnumber as version_position,
        cast(row_number() over (
            partition by bronze.id
            order by
                bronze.versionnumber desc,
                bronze.sinkmodifiedon desc nulls first,
                bronze.lakefolder desc nulls last,
                coalesce(bronze.isdelete, false) desc
        ) as bigint) as place
    from bronze_{table} bronze
    left semi join (select id from repeated_ids where not lacks_number) numbered on numbered.id = bronze.id
) ranked
where ranked.place = 1 and coalesce(ranked.isdelete, false) = false
union all
select placed.*
from (
    select
        positioned.*,
        cast(row_number() over (
            partition by positioned.id
            order by
                positioned.version_position desc nulls last,
                case when positioned.versionnumber is null then 0 else 1 end,
                positioned.sinkmodifiedon desc nulls first,
                positioned.lakefolder desc nulls last,
                coalesce(positioned.isdelete, false) desc
        ) as bigint) as place
    from (
        select
            bronze.*,
            case
                when bronze.versionnumber is not null then bronze.versionnumber
                when bronze.sinkmodifiedon is not null then max(bronze.versionnumber) over (
                    partition by bronze.id
                    order by bronze.sinkmodifiedon nulls first
                )
                else max(bronze.versionnumber) over (partition by bronze.id order by bronze.lakefolder nulls first)
            end as version_position
        from bronze_{table} bronze
        left semi join (select id from repeated_ids where lacks_number) unnumbered on unnumbered.id = bronze.id
    ) positioned
) placed
where placed.place = 1 and coalesce(placed.isdelete, false) = false
