-- One row for each customer group of a company.
-- category: supporting
-- key: customer_group_id
-- driver: custgroup
-- reads: custgroup, custtable
select
    customer_groups.dataareaid || '-' || customer_groups.custgroup as customer_group_id, -- Company and group, as usmf-10
    customer_groups.dataareaid as company, -- Company (legal entity), in lower case
    customer_groups.custgroup as customer_group, -- Group in the company: customers.customer_group
    max(customer_groups.name) as group_name, -- Name of the group
    cast(count(customers.recid) as int) as customer_count -- Records of customers in the group
from custgroup customer_groups
left join custtable customers
    on customers.dataareaid = customer_groups.dataareaid
    and customers.custgroup = customer_groups.custgroup
where customer_groups.dataareaid is not null and customer_groups.custgroup is not null
group by customer_groups.dataareaid, customer_groups.custgroup
