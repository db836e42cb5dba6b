//! Runs after the first: what is unchanged stays, and what is new does not break anything.

use chrono::TimeDelta;
use prepare_data::run::{How, Layer};
use serde_json::{Value, json};

use crate::lake::{Lake, lines};

fn a_shop() -> Lake {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add_person(2, "C2", "Bob", "Stone", json!({}))
        .add("retailchanneltable", json!([{"recid": 5, "retailchannelid": "00005"}]))
        .add("salestable", json!([{"recid": 6, "salesid": "S1", "custaccount": "C1", "retailchanneltable": 5}]))
        .add("salesline", json!([{"recid": 7, "salesid": "S1", "salesqty": 1, "lineamount": 10}]))
        .add(
            "retailtransactiontable",
            json!([
                {"recid": 8, "transactionid": "T1", "store": "HOUSTON", "terminal": "H1", "channel": 5, "type": 2},
            ]),
        );
    lake
}

/// The notebook writes the time of its run on every row: each refresh finds all customers changed, and each journey that starts
/// when a profile changes starts for everyone.
#[tokio::test]
async fn a_run_that_finds_nothing_new_changes_no_row_and_makes_no_version() {
    let mut lake = a_shop();
    lake.prepare().await;
    let before = lake.everything().await;
    for later in [TimeDelta::hours(6), TimeDelta::days(8)] {
        lake.now += later;
        let report = lake.prepare().await;
        let weekly = later > TimeDelta::days(7);
        assert_eq!(report.reconciled, weekly, "once by looking at changes, once by comparing all");
        for (layer, table) in [(Layer::Silver, "custtable"), (Layer::Gold, "customers"), (Layer::Quality, "rejected")] {
            let how = report.table(layer, table).unwrap().how;
            assert_eq!(how == How::Whole, weekly, "{table}");
        }
        assert_eq!(lake.everything().await, before);
    }
}

/// The notebook overwrites a folder of Parquet files: the connector for Delta finds no table, a reader in between finds half of
/// one, and what was there yesterday is gone.
#[tokio::test]
async fn tables_are_delta_and_their_versions_stay_readable() {
    let mut lake = a_shop();
    let first = lake.prepare().await;
    lake.add("dirpersonname", json!([{"recid": 2, "person": 2, "firstname": "Robert", "lastname": "Stone"}]));
    lake.now += TimeDelta::hours(6);
    let second = lake.prepare().await;
    for table in ["customers", "sales_orders", "sales_order_lines", "store_transactions", "channels"] {
        assert!(lake.path("out/gold").join(table).join("_delta_log/00000000000000000000.json").is_file(), "{table}");
    }
    let now = lake.open("gold/customers").await;
    assert_eq!(now.version(), second.table(Layer::Gold, "customers").unwrap().version);
    let mut before = now.clone();
    before.load_version(first.table(Layer::Gold, "customers").unwrap().version.unwrap()).await.unwrap();
    let columns = "customer_id, first_name";
    assert_eq!(lines(&before, columns).await, ["usmf-C1 | Ada", "usmf-C2 | Bob"]);
    assert_eq!(lines(&now, columns).await, ["usmf-C1 | Ada", "usmf-C2 | Robert"]);
}

/// The notebook names its interim results `salestable` and `salesline`, like the tables that it reads: run again, it reads its own
/// results and fails. Here everything is computed three times in one process, and no result has the name of a source.
#[tokio::test]
async fn a_preparation_can_be_repeated() {
    let mut lake = a_shop();
    lake.prepare().await;
    let before = lake.everything().await;
    for _ in 0..2 {
        let report = lake.run(|settings| settings.full = true).await;
        assert!(report.reconciled && report.published_all(), "{report}");
        assert_eq!(lake.everything().await, before);
    }
    for (file, text) in crate::publishing::sql_files() {
        for name in interim_results(&text) {
            assert!(!lake.table_names().contains(&name), "{file} names a result {name}, like a source");
        }
    }
}

/// Names that a statement gives to interim results.
fn interim_results(sql: &str) -> Vec<String> {
    let names = sql.lines().filter_map(|line| {
        let code = line.split(" --").next().unwrap_or(line).trim_end();
        let name = code.strip_suffix(" as (")?;
        Some(name.strip_prefix("with ").unwrap_or(name).to_owned())
    });
    names.collect()
}

/// The notebook selects every column and names no key. A column that somebody adds to customers would be published the same
/// night: the connector reads everything again, and matching rules meet a column that nobody chose.
#[tokio::test]
async fn a_new_column_of_the_export_is_not_published_and_keys_stay_unique() {
    let mut lake = a_shop();
    lake.prepare().await;
    let schema = columns(&lake).await;
    lake.add_column("custtable", "internalrating");
    lake.add(
        "custtable",
        json!([
            {"recid": 1, "accountnum": "C1", "party": 1, "custgroup": "30", "internalrating": "bad"},
            {"recid": 99, "accountnum": "C2", "party": 2, "custgroup": "40", "internalrating": "good"}, // C2 a second time
        ]),
    );
    let report = lake.prepare().await;
    assert!(report.tables.iter().all(|table| !table.columns_change), "{report}");
    assert_eq!(columns(&lake).await, schema);
    assert_eq!(lake.published("customers", "customer_id, customer_group").await, ["usmf-C1 | 30", "usmf-C2 | 40"]);
    assert_eq!(lake.rejected().await, ["custtable-2 | superseded"]);
}

async fn columns(lake: &Lake) -> Value {
    let table = lake.open("gold/customers").await;
    serde_json::to_value(table.snapshot().unwrap().schema()).unwrap()
}
