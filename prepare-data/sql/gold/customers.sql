-- One row for each person who is a customer of a company: a person who buys from two companies has two rows.
-- Names and the postal address are those valid at the time of the run. Addresses that are marked as private are NULL, unless the
-- parameter include_private_addresses asks for them. Consents are NULL where they are not exported: then nobody knows of any.
-- Left out: organisations, and customers that have no number, no company or no party.
-- category: profile
-- key: customer_id
-- driver: custtable
-- reads: custtable, retailcusttable, dirpartytable, dirpersonname, logisticselectronicaddress, logisticspostaladdress, person_types, parameters
-- uses: superseded_customers

-- step: persons
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

-- step: reached_persons
with chosen_names as ( -- of the names valid now the one that began last
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
contacts as ( -- a mark that is not known counts as private
    select
        contacts.recid,
        contacts.type,
        contacts.locator,
        contacts.locatorextension,
        contacts.ismobilephone,
        contacts.retailmarketingoptin = 1 as is_opted_in
    from logisticselectronicaddress contacts
    cross join parameters
    where coalesce(contacts.isprivate, 0) = 0 or parameters.include_private_addresses
),
emails as ( -- where the export does not tell the type, the sign that every e-mail address has decides
    select recid, locator, is_opted_in
    from contacts
    where coalesce(type, 2) = 2 and locator like '%_@_%'
),
phones as (
    select recid, locator, locatorextension, ismobilephone = 1 as is_mobile, is_opted_in
    from contacts
    where coalesce(type, 1) = 1 and locator not like '%@%'
),
-- Columns as in RetailCustTable and LogisticsElectronicAddress of github.com/microsoft/CDM and of published exports. That 1 means
-- yes is how NoYes counts; UNCONFIRMED for values of other origin, which count as opted out and as not opted in.
choices as ( -- of several records of a customer, the one that allows less
    select
        dataareaid,
        lower(accountnum) as account_key,
        max(case when optoutpersonalization <> 0 then 1 else optoutpersonalization end) = 1 as personalization,
        max(case when optoutwebactivitytracking <> 0 then 1 else optoutwebactivitytracking end) = 1 as web_tracking
    from retailcusttable
    group by dataareaid, lower(accountnum)
)
select
    persons.*,
    names.firstname,
    names.middlename,
    names.lastnameprefix,
    names.lastname,
    emails.locator as email,
    emails.is_opted_in as email_is_opted_in,
    phones.locator as phone,
    phones.locatorextension as phone_extension,
    phones.is_mobile as phone_is_mobile,
    phones.is_opted_in as phone_is_opted_in,
    choices.personalization,
    choices.web_tracking
from persons
left join names on names.person = persons.party
left join emails on emails.recid = persons.primarycontactemail
left join phones on phones.recid = persons.primarycontactphone
left join choices
    on choices.dataareaid = persons.dataareaid
    and choices.account_key = lower(persons.accountnum)

-- step: customers
with chosen_addresses as ( -- of the addresses valid now the one that began last
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
    cross join parameters
    where coalesce(addresses.isprivate, 0) = 0 or parameters.include_private_addresses
)
select
    persons.dataareaid || '-' || persons.accountnum as customer_id, -- Company and customer number, as usmf-004021
    persons.dataareaid as company, -- Company (legal entity), in lower case
    persons.accountnum as customer_number, -- Customer account in the company
    persons.partynumber as party_number, -- Number of the person in the address book, the same in every company
    persons.custgroup as customer_group, -- Customer group
    coalesce(persons.name, nullif(concat_ws(' ', persons.firstname, persons.middlename, persons.lastnameprefix, persons.lastname), '')) as full_name, -- Name as it is shown
    persons.firstname as first_name, -- First name valid at the time of the run
    persons.middlename as middle_name, -- Middle name
    persons.lastnameprefix as last_name_prefix, -- What stands before the last name, as van
    persons.lastname as last_name, -- Last name valid at the time of the run
    persons.knownas as known_as, -- What the person likes to be called
    persons.languageid as language, -- Preferred language, as en-us
    persons.email as email, -- Primary e-mail address; only what is recorded as e-mail
    persons.phone as phone, -- Primary phone number; only what is recorded as phone
    persons.phone_extension as phone_extension, -- Extension of the phone number
    persons.phone_is_mobile as phone_is_mobile, -- Whether the phone is a mobile phone
    persons.email_is_opted_in as email_marketing_opt_in, -- Whether the customer agreed to marketing to this e-mail address
    persons.phone_is_opted_in as phone_marketing_opt_in, -- Whether the customer agreed to marketing to this phone number
    persons.personalization as personalization_opt_out, -- Whether the customer refused personalization
    persons.web_tracking as web_tracking_opt_out, -- Whether the customer refused that activities on the web are tracked
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
from reached_persons persons
left join addresses on addresses.location = persons.primaryaddresslocation
