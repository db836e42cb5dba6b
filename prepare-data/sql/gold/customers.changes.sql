-- Customers whose row may differ from last time: their own record changed, or that of Commerce, or the party's, or a name, an address, an e-mail
-- address or a phone of the party; or a name or an address began or ended to be valid since the last run.

-- step: touched_persons
select person as party
from changed_dirpersonname
union
select names.person as party
from dirpersonname names
cross join parameters
where (names.validfrom > parameters.previous_as_of and names.validfrom <= parameters.as_of)
    or (names.validto >= parameters.previous_as_of and names.validto < parameters.as_of)

-- step: touched_locations
select location
from changed_logisticspostaladdress
union
select addresses.location
from logisticspostaladdress addresses
cross join parameters
where (addresses.validfrom > parameters.previous_as_of and addresses.validfrom <= parameters.as_of)
    or (addresses.validto >= parameters.previous_as_of and addresses.validto < parameters.as_of)

-- step: touched_contacts
select recid
from changed_logisticselectronicaddress
group by recid

-- step: touched_parties
select recid as party
from changed_dirpartytable
union
select parties.recid as party
from dirpartytable parties
left join touched_persons persons on persons.party = parties.recid
left join touched_locations locations on locations.location = parties.primaryaddresslocation
left join touched_contacts emails on emails.recid = parties.primarycontactemail
left join touched_contacts phones on phones.recid = parties.primarycontactphone
where persons.party is not null
    or locations.location is not null
    or emails.recid is not null
    or phones.recid is not null

-- step: touched_customers
select coalesce(dataareaid, '') as dataareaid, coalesce(lower(accountnum), '') as account_key
from changed_custtable
union
select coalesce(dataareaid, '') as dataareaid, coalesce(lower(accountnum), '') as account_key
from changed_retailcusttable
union
select coalesce(customers.dataareaid, '') as dataareaid, coalesce(lower(customers.accountnum), '') as account_key
from custtable customers
left semi join touched_parties on touched_parties.party = customers.party

-- step: narrow custtable
select customers.*
from custtable customers
left semi join touched_customers
    on touched_customers.account_key = coalesce(lower(customers.accountnum), '')
    and touched_customers.dataareaid = coalesce(customers.dataareaid, '')

-- step: affected
select coalesce(dataareaid, '') || '-' || coalesce(accountnum, '') as key
from custtable
union
select coalesce(dataareaid, '') || '-' || coalesce(accountnum, '') as key
from changed_custtable

-- step: narrow retailcusttable
select choices.*
from retailcusttable choices
left semi join custtable
    on custtable.dataareaid = choices.dataareaid
    and lower(custtable.accountnum) = lower(choices.accountnum)

-- step: narrow dirpartytable
select parties.*
from dirpartytable parties
left semi join custtable on custtable.party = parties.recid

-- step: narrow dirpersonname
select names.*
from dirpersonname names
left semi join dirpartytable on dirpartytable.recid = names.person

-- step: narrow logisticspostaladdress
select addresses.*
from logisticspostaladdress addresses
left semi join dirpartytable on dirpartytable.primaryaddresslocation = addresses.location

-- step: narrow logisticselectronicaddress
select contacts.*
from logisticselectronicaddress contacts
left semi join (
    select primarycontactemail as recid
    from dirpartytable
    union all
    select primarycontactphone as recid
    from dirpartytable
) needed on needed.recid = contacts.recid
