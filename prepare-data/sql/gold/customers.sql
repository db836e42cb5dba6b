-- One row for each person who is a customer of a company: a person who buys from two companies has two rows.
-- Names and the postal address are those valid at the time of the run. Left out: organisations, and customers that have no
-- number, no company or no party.
-- category: profile
-- key: customer_id
-- driver: custtable
-- reads: custtable, dirpartytable, dirpersonname, logisticselectronicaddress, logisticspostaladdress, person_types
-- uses: superseded_customers
with persons as (
    select
        customers.dataareaid,
        customers.accountnum,
        customers.custgroup,
        customers.createddatetime,
        customers.modifieddatetime,
        parties.recid as party,
        parties.partynumber,
        parties.name,
        parties.knownas,
        parties.languageid,
        parties.primaryaddresslocation,
        parties.primarycontactemail,
        parties.primarycontactphone
    from custtable customers
    inner join dirpartytable parties on parties.recid = customers.party
    left semi join person_types on person_types.type = parties.instancerelationtype
    left anti join superseded_customers superseded on superseded.id = customers.id
    where customers.dataareaid is not null and customers.accountnum is not null
),
chosen_names as ( -- of the names valid now the one that began last
    select person, recid
    from (
        select
            names.person,
            names.recid,
            row_number() over (
                partition by names.person
                order by names.validfrom desc nulls last, names.recid desc
            ) as place
        from dirpersonname names
        cross join parameters
        where coalesce(names.validfrom <= parameters.as_of, true)
            and coalesce(names.validto >= parameters.as_of, true)
    ) ranked
    where place = 1
),
names as (
    select names.person, names.firstname, names.middlename, names.lastnameprefix, names.lastname
    from dirpersonname names
    inner join chosen_names on chosen_names.recid = names.recid
),
chosen_addresses as ( -- of the addresses valid now the one that began last
    select location, recid
    from (
        select
            addresses.location,
            addresses.recid,
            row_number() over (
                partition by addresses.location
                order by addresses.validfrom desc nulls last, addresses.recid desc
            ) as place
        from logisticspostaladdress addresses
        cross join parameters
        where coalesce(addresses.validfrom <= parameters.as_of, true)
            and coalesce(addresses.validto >= parameters.as_of, true)
    ) ranked
    where place = 1
),
addresses as (
    select
        addresses.location,
        addresses.address,
        addresses.street,
        addresses.streetnumber,
        addresses.postbox,
        addresses.zipcode,
        addresses.city,
        addresses.districtname,
        addresses.county,
        addresses.state,
        addresses.countryregionid,
        addresses.latitude,
        addresses.longitude
    from logisticspostaladdress addresses
    inner join chosen_addresses on chosen_addresses.recid = addresses.recid
),
emails as ( -- where the export does not tell the type, the sign that every e-mail address has decides
    select recid, locator
    from logisticselectronicaddress
    where coalesce(type, 2) = 2 and locator like '%_@_%'
),
phones as (
    select recid, locator, locatorextension, ismobilephone = 1 as is_mobile
    from logisticselectronicaddress
    where coalesce(type, 1) = 1 and locator not like '%@%'
)
select
    persons.dataareaid || '-' || persons.accountnum as customer_id, -- Company and customer number, as usmf-004021
    persons.dataareaid as company, -- Company (legal entity), in lower case
    persons.accountnum as customer_number, -- Customer account in the company
    persons.partynumber as party_number, -- Number of the person in the address book, the same in every company
    persons.custgroup as customer_group, -- Customer group
    coalesce(persons.name, nullif(concat_ws(' ', names.firstname, names.middlename, names.lastnameprefix, names.lastname), '')) as full_name, -- Name as it is shown
    names.firstname as first_name, -- First name valid at the time of the run
    names.middlename as middle_name, -- Middle name
    names.lastnameprefix as last_name_prefix, -- What stands before the last name, as van
    names.lastname as last_name, -- Last name valid at the time of the run
    persons.knownas as known_as, -- What the person likes to be called
    persons.languageid as language, -- Preferred language, as en-us
    emails.locator as email, -- Primary e-mail address; only what is recorded as e-mail
    phones.locator as phone, -- Primary phone number; only what is recorded as phone
    phones.locatorextension as phone_extension, -- Extension of the phone number
    phones.is_mobile as phone_is_mobile, -- Whether the phone is a mobile phone
    addresses.address as postal_address, -- Primary address in one text, as it is printed
    addresses.street as street, -- Street
    addresses.streetnumber as street_number, -- Number in the street
    addresses.postbox as post_box, -- Post box
    addresses.zipcode as postal_code, -- Postal code
    addresses.city as city, -- City
    addresses.districtname as district, -- District
    addresses.county as county, -- County
    addresses.state as state, -- State or province
    addresses.countryregionid as country, -- Country or region
    addresses.latitude as latitude, -- Latitude, when the address was located
    addresses.longitude as longitude, -- Longitude, when the address was located
    persons.createddatetime as created_at, -- When the customer was made
    persons.modifieddatetime as modified_at -- When the customer's record changed last
from persons
left join names on names.person = persons.party
left join addresses on addresses.location = persons.primaryaddresslocation
left join emails on emails.recid = persons.primarycontactemail
left join phones on phones.recid = persons.primarycontactphone
