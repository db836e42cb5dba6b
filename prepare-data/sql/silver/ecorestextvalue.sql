-- Values of attributes that are text.
select
    id,
    recid,
    nullif(trim(textvalue), '') as textvalue,
    versionnumber,
    sinkmodifiedon
from current_ecorestextvalue
