-- Sales orders without a single line: the export of lines is late, or incomplete.
-- reads: sales_orders
select
    cast(count(case when line_count = 0 then 1 end) as bigint) as gaps,
    cast(count(*) as bigint) as of_rows
from sales_orders
