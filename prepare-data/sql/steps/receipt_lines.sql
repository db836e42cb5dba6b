-- The lines of the sales and returns of the point of sale that are published, sold quantities and amounts without the minus sign
-- of the register.
-- view: yes
select
    signed.*,
    case
        when signed.is_gift_card then 'gift_card'
        when signed.quantity < 0 or (signed.quantity is null and signed.net_amount < 0) then 'return'
        else 'sale'
    end as line_kind,
    not signed.is_gift_card and coalesce(signed.quantity >= 0, signed.net_amount >= 0, true) as is_purchase
from (
    select
        entries.dataareaid,
        entries.channel,
        entries.store,
        entries.terminal,
        entries.transactionid,
        entries.receiptid,
        entries.custaccount,
        entries.transacted_at,
        lines.recid,
        lines.linenum,
        lines.itemid,
        lines.variantid,
        coalesce(lines.giftcard, 0) = 1 as is_gift_card,
        coalesce(lines.currency, entries.currency) as currency,
        lines.unit,
        lines.price,
        abs(lines.discamount) as discount_amount,
        -- UNCONFIRMED: costamount is that of the line, as the other amounts; numbers that were never filled in are 0
        abs(nullif(lines.costamount, 0)) as cost_amount,
        case when parameters.store_sales_are_negative then -lines.qty else lines.qty end as quantity,
        case when parameters.store_sales_are_negative then -lines.netamount else lines.netamount end as net_amount,
        case when parameters.store_sales_are_negative then -lines.netamountincltax else lines.netamountincltax end as gross_amount,
        case when parameters.store_sales_are_negative then -lines.taxamount else lines.taxamount end as tax_amount
    from retailtransactionsalestrans lines
    inner join store_entries entries
        on entries.dataareaid = lines.dataareaid
        and entries.channel = lines.channel
        and entries.store = coalesce(lines.store, '')
        and entries.terminal = coalesce(lines.terminalid, '')
        and entries.transactionid = lines.transactionid
    cross join parameters
    where lines.recid is not null
        and entries.owns_sale
        and coalesce(lines.transactionstatus, 0) in (0, 2, 3, 7, 8) -- not voided, nor unknown
) signed
