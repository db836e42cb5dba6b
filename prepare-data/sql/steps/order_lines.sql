-- The lines of the orders that are published, each with what it counts as.
-- view: yes
select
    judged.*,
    judged.line_kind = 'sale' and coalesce(judged.status, 0) in (1, 2, 3) as is_purchase
from (
    select
        lines.dataareaid,
        lines.recid,
        orders.salesid,
        lines.linenum,
        lines.inventtransid,
        lines.itemid,
        lines.retailvariantid,
        lines.name,
        lines.salesqty,
        lines.salesunit,
        lines.salesprice,
        lines.priceunit,
        lines.linedisc,
        lines.lineamount,
        nullif(lines.costprice, 0) as costprice, -- numbers that were never filled in are 0
        coalesce(lines.currencycode, orders.currencycode) as currency,
        orders.custaccount,
        orders.retailchanneltable,
        coalesce(orders.createddatetime, lines.createddatetime) as ordered_at,
        case when orders.salestype = 4 or lines.salesqty < 0 then 'return' else 'sale' end as line_kind,
        -- canceling an order cancels its lines
        case when orders.salesstatus = 4 then 4 else coalesce(nullif(lines.salesstatus, 0), orders.salesstatus) end as status
    from salesline lines
    inner join orders on orders.dataareaid = lines.dataareaid and lower(orders.salesid) = lower(lines.salesid)
    where lines.recid is not null
) judged
