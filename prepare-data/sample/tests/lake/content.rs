//! What is in a lake: business that makes sense, and everything that is wrong with such data.

use sample_lake::Options;

use crate::lake::{Lake, small};

/// The tables that questions are asked about.
const TABLES: &[&str] = &[
    "custtable",
    "dirpartytable",
    "dirpersonname",
    "ecoresproductcategory",
    "ecoresproducttranslation",
    "inventtable",
    "logisticselectronicaddress",
    "logisticspostaladdress",
    "retailchanneltable",
    "retailloyaltycard",
    "retailloyaltycardrewardpointtrans",
    "retailtransactionpaymenttrans",
    "retailtransactionsalestrans",
    "retailtransactiontable",
    "salesline",
    "salestable",
];

#[tokio::test]
async fn a_dirty_lake_has_it_all() {
    let lake = Lake::delta(small()).await;
    let look = lake.look(TABLES).await;
    let found = [
        (
            "account numbers of several companies",
            "select count(*) from (select accountnum from present_custtable group by accountnum having count(distinct lower(dataareaid)) > 1)",
        ),
        (
            "order numbers of several companies",
            "select count(*) from (select salesid from present_salestable group by salesid having count(distinct lower(dataareaid)) > 1)",
        ),
        ("company codes in another case", "select count(*) from raw_salesline where dataareaid <> lower(dataareaid)"),
        (
            "items in every company",
            "select count(*) from (select itemid from present_inventtable group by itemid having count(distinct lower(dataareaid)) = 3)",
        ),
        ("customers without party", "select count(*) from raw_custtable where party = 0"),
        (
            "parties of two customers",
            "select count(*) from (select party from raw_custtable where party > 0 group by party having count(distinct \"Id\") > 1)",
        ),
        (
            "e-mail references to telephones",
            "select count(*) from present_dirpartytable p join present_logisticselectronicaddress e on e.recid = p.primarycontactemail where e.type = 1",
        ),
        ("organisations", "select count(*) from present_dirpartytable where instancerelationtype = 3021"),
        ("operating units", "select count(*) from present_dirpartytable where instancerelationtype = 9130"),
        (
            "expired names",
            "select count(*) from present_dirpersonname where validto < timestamp '2026-11-15T00:00:00Z'",
        ),
        (
            "overlapping names",
            "select count(*) from (select person from present_dirpersonname where validto > timestamp '2100-01-01T00:00:00Z' group by person having count(*) > 1)",
        ),
        (
            "names that begin together",
            "select count(*) from (select person, validfrom from present_dirpersonname group by person, validfrom having count(*) > 1)",
        ),
        (
            "future addresses",
            "select count(*) from present_logisticspostaladdress where validfrom > timestamp '2026-11-15T00:00:00Z'",
        ),
        (
            "overlapping addresses",
            "select count(*) from (select location from present_logisticspostaladdress where validfrom < timestamp '2026-11-15T00:00:00Z' and validto > timestamp '2100-01-01T00:00:00Z' group by location having count(*) > 1)",
        ),
        ("empty texts", "select count(*) from raw_dirpersonname where middlename = ''"),
        ("empty texts that are NULL", "select count(*) from raw_dirpersonname where middlename is null"),
        (
            "empty dates",
            "select count(*) from raw_salesline where shippingdateconfirmed = timestamp '1900-01-01T00:00:00Z'",
        ),
        ("soft deletes", "select count(*) from raw_salesline where \"IsDelete\""),
        (
            "rows that were made again",
            "select count(*) from raw_salesline d join raw_salesline r on r.\"Id\" = d.\"Id\" where d.\"IsDelete\" and r.\"IsDelete\" is null and r.versionnumber > d.versionnumber",
        ),
        (
            "deletes in a tie",
            "select count(*) from raw_salesline d join raw_salesline r on r.\"Id\" = d.\"Id\" and r.versionnumber = d.versionnumber where d.\"IsDelete\" and r.\"IsDelete\" is null",
        ),
        (
            "rows that are there twice",
            "select count(*) from (select \"Id\", versionnumber from raw_salesline where \"IsDelete\" is null group by \"Id\", versionnumber having count(*) > 1)",
        ),
        (
            "orders of unknown customers",
            "select count(*) from present_salestable s left anti join present_custtable c on c.accountnum = s.custaccount and lower(c.dataareaid) = lower(s.dataareaid)",
        ),
        (
            "canceled lines of other orders",
            "select count(*) from present_salesline l join present_salestable s on s.salesid = l.salesid and lower(s.dataareaid) = lower(l.dataareaid) where l.salesstatus = 4 and s.salesstatus <> 4",
        ),
        ("canceled orders", "select count(*) from present_salestable where salesstatus = 4"),
        ("return orders", "select count(*) from present_salestable where salestype = 4"),
        ("journals", "select count(*) from present_salestable where salestype = 0"),
        (
            "receipts that became orders",
            "select count(*) from present_retailtransactiontable t join present_salestable s on s.salesid = t.salesorderid and lower(s.dataareaid) = lower(t.dataareaid) where t.type = 2 and t.statementid <> ''",
        ),
        (
            "customer orders",
            "select count(*) from present_retailtransactiontable t join present_salestable s on s.salesid = t.salesorderid and lower(s.dataareaid) = lower(t.dataareaid) where t.type = 19",
        ),
        ("voided transactions", "select count(*) from present_retailtransactiontable where entrystatus = 1"),
        ("suspended transactions", "select count(*) from present_retailtransactiontable where entrystatus = 5"),
        ("training", "select count(*) from present_retailtransactiontable where entrystatus = 6"),
        (
            "transactions that sell nothing",
            "select count(*) from present_retailtransactiontable where type in (1, 5, 9, 13, 20)",
        ),
        (
            "provisional customers",
            "select count(*) from present_retailtransactiontable where custaccountasync <> '' and coalesce(custaccount, '') = ''",
        ),
        (
            "sold pieces with a minus sign",
            "select count(*) from present_retailtransactionsalestrans where qty < 0 and netamount < 0",
        ),
        (
            "returned pieces without",
            "select count(*) from present_retailtransactionsalestrans where qty > 0 and netamount > 0",
        ),
        (
            "transaction numbers of several stores",
            "select count(*) from (select transactionid from present_retailtransactiontable group by transactionid, lower(dataareaid) having count(distinct store) > 1)",
        ),
        (
            "transactions without a time of begin",
            "select count(*) from present_retailtransactiontable where coalesce(begindatetime, timestamp '1900-01-01T00:00:00Z') = timestamp '1900-01-01T00:00:00Z'",
        ),
        (
            "several currencies of a company",
            "select count(distinct currencycode) - 1 from present_salestable where lower(dataareaid) = 'usrt'",
        ),
        (
            "names of products in several languages",
            "select count(*) from (select product from present_ecoresproducttranslation group by product having count(*) > 2)",
        ),
        (
            "products in several hierarchies",
            "select count(*) from (select product from present_ecoresproductcategory group by product having count(distinct categoryhierarchy) > 1)",
        ),
        (
            "points earned",
            "select count(*) from present_retailloyaltycardrewardpointtrans where entrytype = 1 and rewardpointamountqty > 0",
        ),
        (
            "points spent",
            "select count(*) from present_retailloyaltycardrewardpointtrans where entrytype = 2 and rewardpointamountqty < 0",
        ),
        ("cards of nobody", "select count(*) from present_retailloyaltycard where party = 0"),
        (
            "card numbers that were paid with",
            "select count(*) from present_retailtransactionpaymenttrans where cardoraccount like '4111%'",
        ),
    ];
    for (what, sql) in found {
        assert!(look.count(sql).await > 0, "no {what}: {sql}");
    }
}

#[tokio::test]
async fn keys_hold_in_a_dirty_lake() {
    let lake = Lake::delta(small()).await;
    let look = lake.look(TABLES).await;
    let none = [
        (
            "customers with one number in a company",
            "select count(*) from (select lower(dataareaid), accountnum from present_custtable group by 1, 2 having count(*) > 1)",
        ),
        (
            "orders with one number in a company",
            "select count(*) from (select lower(dataareaid), salesid from present_salestable group by 1, 2 having count(*) > 1)",
        ),
        (
            "transactions with one number at a till",
            "select count(*) from (select lower(dataareaid), channel, store, terminal, transactionid from present_retailtransactiontable group by 1, 2, 3, 4, 5 having count(*) > 1)",
        ),
        (
            "lines without their order",
            "select count(*) from present_salesline l left anti join present_salestable s on s.salesid = l.salesid and lower(s.dataareaid) = lower(l.dataareaid)",
        ),
        (
            "lines without their transaction",
            "select count(*) from present_retailtransactionsalestrans l left anti join present_retailtransactiontable t on t.transactionid = l.transactionid and t.store = l.store and t.terminal = l.terminalid and t.channel = l.channel and lower(t.dataareaid) = lower(l.dataareaid)",
        ),
        (
            "orders of no channel",
            "select count(*) from present_salestable s left anti join present_retailchanneltable c on c.recid = s.retailchanneltable",
        ),
        (
            "channels of no operating unit",
            "select count(*) from present_retailchanneltable c left anti join raw_dirpartytable p on p.recid = c.omoperatingunitid and p.instancerelationtype = 9130",
        ),
        (
            "ids that do not hold their record id",
            "select count(*) from (select \"Id\" from raw_custtable group by \"Id\" having count(distinct recid) > 1)",
        ),
        (
            "versions that differ from their twin",
            "select count(*) from raw_custtable where versionnumber <> sysrowversion",
        ),
    ];
    for (what, sql) in none {
        assert_eq!(look.count(sql).await, 0, "{what}: {sql}");
    }
}

#[tokio::test]
async fn a_clean_lake_has_no_dirt() {
    let lake = Lake::delta(Options { dirt: 0.0, ..small() }).await;
    let look = lake.look(TABLES).await;
    for table in TABLES {
        let repeated = format!(r#"select count(*) - count(distinct "Id") from raw_{table}"#);
        assert_eq!(look.count(&repeated).await, 0, "{table}");
        let deleted = format!(r#"select count(*) from raw_{table} where "IsDelete""#);
        assert_eq!(look.count(&deleted).await, 0, "{table}");
    }
    let none = [
        "select count(*) from raw_custtable where dataareaid <> lower(dataareaid) or party = 0",
        "select count(*) from raw_dirpersonname where middlename = ''",
        "select count(*) from (select person from raw_dirpersonname where validto > timestamp '2100-01-01T00:00:00Z' group by person having count(*) > 1)",
        "select count(*) from raw_salestable s left anti join raw_custtable c on c.accountnum = s.custaccount and c.dataareaid = s.dataareaid",
        "select count(*) from raw_custtable c left anti join raw_dirpartytable p on p.recid = c.party",
        "select count(*) from raw_salesline l left anti join raw_inventtable i on i.itemid = l.itemid and i.dataareaid = l.dataareaid",
    ];
    for sql in none {
        assert_eq!(look.count(sql).await, 0, "{sql}");
    }
}

#[tokio::test]
async fn cleaning_a_lake_leaves_its_customers_as_they_were() {
    let options = Options { customers: 60, lines: 100, ..small() };
    let (dirty, clean) = (Lake::delta(options.clone()).await, Lake::delta(Options { dirt: 0.0, ..options }).await);
    let letters = "select sum(character_length(name) * recid % 1000003) from present_dirpartytable
        where recid between 5637144576 + 40 and 5637144576 + 50";
    let (dirty, clean) = (dirty.look(&["dirpartytable"]).await, clean.look(&["dirpartytable"]).await);
    assert_eq!(dirty.count(letters).await, clean.count(letters).await);
}

#[tokio::test]
async fn type_numbers_are_those_of_the_environment() {
    let party_types = sample_lake::PartyTypes { person: 4711, ..Default::default() };
    let lake = Lake::delta(Options { party_types, customers: 60, lines: 100, ..small() }).await;
    let look = lake.look(&["dirpartytable", "sqldictionary"]).await;
    assert!(look.count("select count(*) from raw_dirpartytable where instancerelationtype = 4711").await > 40);
    assert_eq!(look.count("select tableid from raw_sqldictionary where name = 'DirPerson'").await, 4711);
}
