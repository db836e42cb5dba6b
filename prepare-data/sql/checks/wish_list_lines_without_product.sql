-- Products on wish lists that are no item in products: a variant, or the company is not known.
-- reads: wish_lists
select
    cast(count(case when product_id is null then 1 end) as bigint) as gaps,
    cast(count(*) as bigint) as of_rows
from wish_lists
