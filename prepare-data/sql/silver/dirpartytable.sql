-- Parties: persons, organisations, and the units of the own enterprise.
select
    id,
    recid,
    nullif(trim(partynumber), '') as partynumber,
    nullif(trim(name), '') as name,
    nullif(trim(knownas), '') as knownas,
    nullif(trim(languageid), '') as languageid,
    instancerelationtype,
    nullif(primaryaddresslocation, 0) as primaryaddresslocation,
    nullif(primarycontactphone, 0) as primarycontactphone,
    nullif(primarycontactemail, 0) as primarycontactemail,
    versionnumber,
    sinkmodifiedon
from current_dirpartytable
