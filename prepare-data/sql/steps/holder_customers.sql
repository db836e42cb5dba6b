-- The customers of a party: a person who holds a card may be a customer of several companies.
select party, dataareaid, dataareaid || '-' || min(accountnum) as customer_id
from custtable
where party is not null and dataareaid is not null and accountnum is not null
group by party, dataareaid
