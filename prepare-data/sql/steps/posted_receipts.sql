-- Orders that statement posting made of a store's receipts. A receipt that store_transactions leaves out owns no sale.
select dataareaid, salesorderid
from retailtransactiontable
where salesorderid is not null and channel is not null and transactionid is not null
    and type = 2
    and coalesce(entrystatus, 0) not in (1, 4, 5, 6) -- voided, canceled, on hold, training
group by dataareaid, salesorderid
