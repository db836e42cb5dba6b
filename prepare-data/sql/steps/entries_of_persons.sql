-- The published transactions of persons, with what their lines need. Takes the place of all transactions for the steps that follow,
-- so that a join with the lines keeps fewer rows in memory.

-- step: store_entries
select
    entries.dataareaid,
    entries.channel,
    entries.store,
    entries.terminal,
    entries.transactionid,
    entries.receiptid,
    entries.owns_sale,
    entries.custaccount,
    entries.transacted_at,
    entries.currency
from store_entries entries
left semi join persons
    on persons.dataareaid = entries.dataareaid
    and persons.account_key = lower(entries.custaccount)
where entries.owns_sale
