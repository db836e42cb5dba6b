-- Values of attributes: which attribute of what, and the record of the value.
select
    id,
    recid,
    nullif(instancevalue, 0) as instancevalue,
    nullif(attribute, 0) as attribute,
    nullif(value, 0) as value,
    versionnumber,
    sinkmodifiedon
from current_ecoresattributevalue
