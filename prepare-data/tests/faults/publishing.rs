//! The statements themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prepare_data::run::{How, Layer, Report};
use prepare_data::sql::Catalog;
use serde_json::json;

use crate::lake::Lake;

/// The notebook writes `"Purchase"`: a text on Spark, and elsewhere a column that does not exist. A statement in which double
/// quotes mean something different on each engine cannot be tested on one and run on the other. So there are none, and each
/// file runs: the present rows of every table, and what is made of a change to every table.
#[tokio::test]
async fn statements_mean_the_same_on_every_engine() {
    for (file, text) in sql_files() {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("--").next().unwrap_or(line);
            assert!(!code.contains('"'), "sql/{file}:{} quotes with \"", number + 1);
        }
    }
    let mut lake = Lake::new();
    let touch = |lake: &mut Lake| {
        for table in lake.table_names() {
            lake.add(&table, json!([{"recid": 7}]));
        }
    };
    touch(&mut lake);
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}));
    lake.prepare().await;
    touch(&mut lake);
    lake.add_person(2, "C2", "Grace", "Hopper", json!({})); // without an account, a changed customer affects no metrics
    let report = lake.prepare().await;
    let catalog = Catalog::load(None).unwrap();
    assert_eq!(report.left_out, [""; 0]);
    assert_eq!(report.gaps.len(), catalog.checks.len());
    for table in catalog.gold {
        let how = report.table(Layer::Gold, table.name()).unwrap().how;
        assert_eq!(how, if table.changes.is_some() { How::Changes } else { How::Whole }, "{}", table.name());
    }
}

/// A check is not run again while its tables stay the same, and its result is told all the same.
#[tokio::test]
async fn references_without_a_target_are_told_until_they_have_one() {
    let order = |number: i64, account: &str| {
        let id = format!("S{number}");
        json!([{"recid": number, "salesid": id, "custaccount": account, "salesstatus": 1}])
    };
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("salestable", order(5, "C1"))
        .add("salesline", json!([]));
    let gaps = |report: Report| {
        let gap = report.gaps.iter().find(|gap| gap.check == "orders_without_customer").unwrap();
        (gap.gaps, gap.of)
    };
    let mut found = vec![gaps(lake.prepare().await)];
    lake.add("salestable", order(6, "C2"));
    found.push(gaps(lake.prepare().await));
    found.push(gaps(lake.prepare().await));
    lake.add("salestable", order(7, "C1"));
    found.push(gaps(lake.prepare().await));
    lake.add_person(2, "C2", "Grace", "Hopper", json!({}));
    found.push(gaps(lake.prepare().await));
    found.push(gaps(lake.run(|settings| settings.full = true).await));
    // Made anew, the table has the version 0 again.
    std::fs::remove_dir_all(lake.path("out/gold/sales_orders")).unwrap();
    found.push(gaps(lake.prepare().await));
    lake.add("salestable", order(8, "C8"));
    std::fs::remove_dir_all(lake.path("out/gold/sales_orders")).unwrap();
    found.push(gaps(lake.prepare().await));
    assert_eq!(found, [(0, 1), (1, 2), (1, 2), (1, 3), (0, 3), (0, 3), (0, 3), (1, 4)]);
}

/// An own check may depend on more than its tables, as on the time.
#[tokio::test]
async fn an_own_check_is_run_each_time() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("checks")).unwrap();
    let check = "-- Another number each time.\n-- reads: customers\n\n\
                 select cast(max(random()) * 1000000000000 as bigint) as gaps, count(*) as of_rows from customers";
    std::fs::write(folder.path().join("checks/random.sql"), check).unwrap();
    let mut lake = Lake::new();
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let report = lake.run(|settings| settings.sql_overlay = Some(folder.path().to_owned())).await;
        numbers.push(report.gaps.iter().find(|gap| gap.check == "random").unwrap().gaps);
    }
    assert_ne!(numbers[0], numbers[1]);
}

/// The SQL files that the program came with, by path.
pub(crate) fn sql_files() -> BTreeMap<String, String> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sql"));
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                files.insert(name, std::fs::read_to_string(&path).unwrap());
            }
        }
    }
    assert!(files.contains_key("gold/customers.sql"), "{files:?}");
    files
}
