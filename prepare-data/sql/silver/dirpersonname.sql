-- Names of persons. A person may have several, each valid for a time.
select
    id,
    recid,
    nullif(person, 0) as person,
    nullif(trim(firstname), '') as firstname,
    nullif(trim(middlename), '') as middlename,
    nullif(trim(lastnameprefix), '') as lastnameprefix,
    nullif(trim(lastname), '') as lastname,
    case when validfrom > timestamp '1900-01-01 00:00:00' then validfrom end as validfrom,
    case when validto > timestamp '1900-01-01 00:00:00' then validto end as validto,
    versionnumber,
    sinkmodifiedon
from current_dirpersonname
