-- E-mail addresses, phone numbers and the like; type tells which (1 phone, 2 e-mail).
select
    id,
    recid,
    nullif(trim(locator), '') as locator,
    nullif(trim(locatorextension), '') as locatorextension,
    type,
    ismobilephone,
    isprivate,
    retailmarketingoptin,
    versionnumber,
    sinkmodifiedon
from current_logisticselectronicaddress
