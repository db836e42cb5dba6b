//! The totals of payments, computed here from the export a second time, without SQL.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use deltalake::datafusion::prelude::SessionContext;
use sample_lake::{Format, Options};

use crate::lake::{Lake, complete, open, query};

type Totals = BTreeMap<[String; 5], (usize, i128)>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_those_of_the_export() {
    let lake = Lake::with(Options { format: Format::Delta, dirt: 0.0, ..complete() }).await;
    lake.prepare("out").await;
    let columns =
        ["payment_id", "company", "payment_method_number", "method_kind", "payment_kind", "currency", "amount"];
    let mut published = Totals::new();
    for row in values(&lake.results("out").join("gold/payments"), &columns).await {
        let source = if row[0].contains("-order-") { "order" } else { "receipt" };
        add(&mut published, [source, &row[1], &row[2], &row[4], &row[5]], &row[6]);
        let is_known = matches!(
            (row[2].as_str(), row[3].as_str()),
            ("1", "cash") | ("2", "card") | ("4", "gift_card") | ("5", "loyalty") | ("6", "currency")
        );
        assert!(is_known, "{row:?}");
    }
    let export = lake.export().join("deltalake");
    let mut expected = of_receipts(&export).await;
    expected.extend(of_orders(&export).await);
    assert_eq!(published, expected);
    for (source, kind) in [
        ("receipt", "payment"),
        ("receipt", "change"),
        ("receipt", "refund"),
        ("order", "payment"),
        ("order", "refund"),
    ] {
        assert!(expected.keys().any(|key| key[0] == source && key[3] == kind), "no {kind} of any {source}");
    }
    let silver = lake.tables("out", "silver").await;
    assert!(silver.values().flatten().all(|row| !row.contains("411111")), "card numbers are in silver");
}

async fn of_receipts(export: &Path) -> Totals {
    let names = [
        "dataareaid",
        "channel",
        "store",
        "terminal",
        "transactionid",
        "type",
        "entrystatus",
        "salesorderid",
        "currency",
    ];
    let receipts: HashMap<Vec<String>, Vec<String>> = values(&export.join("retailtransactiontable"), &names)
        .await
        .into_iter()
        .filter(|row| matches!(row[6].as_str(), "0" | "2"))
        .filter(|row| matches!(row[5].as_str(), "2" | "19") || (row[5] == "27" && !row[7].is_empty()))
        .map(|row| (row[..5].to_vec(), row[5..].to_vec()))
        .collect();
    let names = [
        "dataareaid",
        "channel",
        "store",
        "terminal",
        "transactionid",
        "tendertype",
        "changeline",
        "transactionstatus",
        "amounttendered",
    ];
    let mut totals = Totals::new();
    for row in values(&export.join("retailtransactionpaymenttrans"), &names).await {
        let Some(receipt) = receipts.get(&row[..5]).filter(|_| row[7] == "0") else { continue };
        let kind = if row[6] == "1" { "change" } else { kind_of(&row[8]) };
        add(&mut totals, ["receipt", &row[0], &row[5], kind, &receipt[3]], &row[8]);
    }
    totals
}

async fn of_orders(export: &Path) -> Totals {
    let names = ["dataareaid", "salesorderid", "type", "entrystatus"];
    let named: HashSet<Vec<String>> = values(&export.join("retailtransactiontable"), &names)
        .await
        .into_iter()
        .filter(|row| matches!(row[3].as_str(), "0" | "2"))
        .map(|row| row[..2].to_vec())
        .collect();
    let orders: HashMap<Vec<String>, String> =
        values(&export.join("salestable"), &["dataareaid", "recid", "salesid", "salestype"])
            .await
            .into_iter()
            .filter(|row| row[3] != "0" && !named.contains(&vec![row[0].clone(), row[2].clone()]))
            .map(|row| (row[..2].to_vec(), row[2].clone()))
            .collect();
    let mut totals = Totals::new();
    let names = ["dataareaid", "refrecid", "status", "tendertypeid", "currencycode", "amount"];
    for row in values(&export.join("mcrcustpaymtable"), &names).await {
        if orders.contains_key(&row[..2]) && !matches!(row[2].as_str(), "0" | "2") {
            add(&mut totals, ["order", &row[0], &row[3], kind_of(&row[5]), &row[4]], &row[5]);
        }
    }
    totals
}

fn kind_of(amount: &str) -> &'static str {
    if amount.starts_with('-') { "refund" } else { "payment" }
}

fn add(totals: &mut Totals, key: [&str; 5], amount: &str) {
    let millionths: i128 = amount.replace('.', "").parse().unwrap();
    let total = totals.entry(key.map(str::to_owned)).or_default();
    *total = (total.0 + 1, total.1 + millionths);
}

/// Columns of a table as text, empty for NULL.
async fn values(table: &Path, columns: &[&str]) -> Vec<Vec<String>> {
    let table = open(table).await;
    let session = SessionContext::new();
    table.update_datafusion_session(&session.state()).unwrap();
    session.register_table("t", table.table_provider().with_session(Arc::new(session.state())).await.unwrap()).unwrap();
    let lines = query(&session, &format!("select {} from t", columns.join(", "))).await;
    let cells = |line: &String| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.iter().map(cells).collect()
}
