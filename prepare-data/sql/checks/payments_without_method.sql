-- Payments whose method has no name: it is in neither retailstoretendertypetable nor retailtendertypetable, or these are not
-- exported.
-- reads: payments
select
    cast(count(case when payment_method is null then 1 end) as bigint) as gaps,
    cast(count(*) as bigint) as of_rows
from payments
