-- Records of transactions with the number of a newer record; hardly ever any.

-- step: repeated_transactions
select dataareaid, channel, store, terminal, transactionid
from sale_transactions
group by dataareaid, channel, store, terminal, transactionid
having count(*) > 1

-- step: superseded_transactions
select id
from (
    select
        transactions.id,
        row_number() over (
            partition by
                transactions.dataareaid,
                transactions.channel,
                transactions.store,
                transactions.terminal,
                transactions.transactionid
            order by
                transactions.versionnumber desc nulls last,
                transactions.recid desc nulls last,
                transactions.id
        ) as place
    from sale_transactions transactions
    left semi join repeated_transactions
        on repeated_transactions.dataareaid = transactions.dataareaid
        and repeated_transactions.channel = transactions.channel
        and repeated_transactions.store = transactions.store
        and repeated_transactions.terminal = transactions.terminal
        and repeated_transactions.transactionid = transactions.transactionid
) ranked
where place > 1
