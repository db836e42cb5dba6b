-- Template of the checks in references.json: rows of {table} whose {column} is not in {target}.
select
    cast(coalesce(sum(case when known.{column} is null then referring.row_count else 0 end), 0) as bigint) as gaps,
    cast(coalesce(sum(referring.row_count), 0) as bigint) as of_rows
from (
    select {column}, count(*) as row_count
    from {table}
    where {condition} and {column} is not null
    group by {column}
) referring
left join {target} known on known.{column} = referring.{column}
