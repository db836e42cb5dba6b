-- Orders that statement posting made of a store's receipts. A receipt that store_transactions leaves out owns no sale.
select dataareaid, lower(salesorderid) as salesorder_key
from retailtransactiontable
where salesorderid is not null and channel is not null and transactionid is not null
    and type = 2
    and coalesce(entrystatus, 0) in (0, 2, 3, 7, 8) -- not voided, canceled, on hold or training, nor unknown
group by dataareaid, lower(salesorderid)
