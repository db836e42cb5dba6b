-- The customers who are persons, of each number the newest record.
select
    customers.dataareaid,
    lower(customers.accountnum) as account_key,
    customers.dataareaid || '-' || customers.accountnum as customer_id
from custtable customers
inner join dirpartytable parties on parties.recid = customers.party
left semi join person_types on person_types.type = parties.instancerelationtype
left anti join superseded_customers superseded on superseded.id = customers.id
where customers.dataareaid is not null and customers.accountnum is not null
