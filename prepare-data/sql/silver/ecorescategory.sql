-- Categories, each in one hierarchy. The root of a hierarchy has no parent.
select
    id,
    recid,
    nullif(trim(name), '') as name,
    nullif(parentcategory, 0) as parentcategory,
    versionnumber,
    sinkmodifiedon
from current_ecorescategory
