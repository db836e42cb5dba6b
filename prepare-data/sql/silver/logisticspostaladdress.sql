-- Postal addresses. A location may have several, each valid for a time, and the times may overlap.
select
    id,
    recid,
    nullif(location, 0) as location,
    nullif(trim(address), '') as address,
    nullif(trim(street), '') as street,
    nullif(trim(streetnumber), '') as streetnumber,
    nullif(trim(city), '') as city,
    nullif(trim(county), '') as county,
    nullif(trim(state), '') as state,
    nullif(trim(districtname), '') as districtname,
    nullif(trim(zipcode), '') as zipcode,
    nullif(trim(countryregionid), '') as countryregionid,
    nullif(trim(postbox), '') as postbox,
    case when latitude <> 0 or longitude <> 0 then latitude end as latitude,
    case when latitude <> 0 or longitude <> 0 then longitude end as longitude,
    isprivate,
    case when validfrom > timestamp '1900-01-01 00:00:00' then validfrom end as validfrom,
    case when validto > timestamp '1900-01-01 00:00:00' then validto end as validto,
    versionnumber,
    sinkmodifiedon
from current_logisticspostaladdress
