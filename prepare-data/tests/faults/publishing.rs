//! The statements themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prepare_data::run::{How, Layer};
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
