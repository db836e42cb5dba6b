//! A customer who asked to be forgotten.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use prepare_data::engine::Engine;
use prepare_data::erase::{Erasure, erase};
use prepare_data::location::Location;
use serde_json::json;

use crate::lake::Lake;

async fn erased(lake: &Lake, customer: &str) -> Erasure {
    let prepared = Location::parse(&lake.path("out").to_string_lossy()).unwrap();
    erase(&prepared, customer, &Engine::new(256 << 20, 2).unwrap()).await.unwrap()
}

/// Parquet files that contain a text. The writers do not compress such short values.
fn files_with(lake: &Lake, text: &str) -> usize {
    let contains =
        |path: &PathBuf| std::fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes());
    files(lake).iter().filter(|path| contains(path)).count()
}

fn files(lake: &Lake) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![lake.path("out")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                Some(extension) if extension == "parquet" => files.push(path),
                None if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    files
}

/// Starts an erasure and kills it when it has deleted a file; `false` if it finished before.
fn killed_after_a_delete(lake: &Lake) -> bool {
    let before = files(lake).len();
    let mut erasure = Command::new(env!("CARGO_BIN_EXE_prepare-data"))
        .args(["erase", "usmf-C1", "--out"])
        .arg(lake.path("out"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if let Some(status) = erasure.try_wait().unwrap() {
            assert!(status.success(), "the erasure failed by itself: {status}");
            return false;
        }
        if files(lake).len() < before {
            erasure.kill().unwrap();
            erasure.wait().unwrap();
            return true;
        }
    }
}

#[tokio::test]
async fn a_deleted_customer_is_erased_from_replaced_files_and_nothing_else_changes() {
    let mut lake = Lake::new();
    lake.add_person(
        1,
        "C1",
        "Adalbertina",
        "Lovelace",
        json!({"primarycontactemail": 11, "primaryaddresslocation": 12}),
    )
    .add_person(2, "C2", "Bob", "Stone", json!({}))
    .add("logisticselectronicaddress", json!([{"recid": 11, "type": 2, "locator": "adalbertina@example.com"}]))
    .add("logisticspostaladdress", json!([{"recid": 13, "location": 12, "street": "Adalbertina Street"}]))
    .add("salestable", json!([{"recid": 21, "salesid": "S1", "custaccount": "C2", "salesstatus": 1}]));
    lake.prepare().await;
    let report = erased(&lake, "usmf-C1").await;
    assert!(!report.is_complete(), "the source has the customer: {report}");
    assert!(files_with(&lake, "dalbertina") > 0);

    lake.add("custtable", json!([{"recid": 1, "isdelete": true}]))
        .add("dirpartytable", json!([{"recid": 1, "isdelete": true}]))
        .add("dirpersonname", json!([{"recid": 1, "isdelete": true}]))
        .add("logisticselectronicaddress", json!([{"recid": 11, "isdelete": true}]))
        .add("logisticspostaladdress", json!([{"recid": 13, "isdelete": true}]));
    lake.prepare().await;
    assert!(files_with(&lake, "dalbertina") > 0, "replaced files are kept");
    let before = lake.everything().await;
    let mut deaths = 0;
    while deaths < 30 && killed_after_a_delete(&lake) {
        deaths += 1;
        assert_eq!(lake.everything().await, before);
    }
    assert!(deaths > 0, "no erasure was killed");
    assert_eq!(files_with(&lake, "dalbertina"), 0);
    assert_eq!(lake.everything().await, before);
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_number").await, ["C2"]);
}

#[tokio::test]
async fn an_erasure_reports_what_it_deleted_and_finds_nothing_the_second_time() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({})).add_person(2, "C2", "Bob", "Stone", json!({}));
    lake.prepare().await;
    for table in ["custtable", "dirpartytable", "dirpersonname"] {
        lake.add(table, json!([{"recid": 1, "isdelete": true}]));
    }
    lake.prepare().await;
    let report = erased(&lake, "USMF-c1").await;
    assert!(report.is_complete() && report.person_found, "{report}");
    let tables: Vec<_> = report.tables.iter().map(|table| (table.table.as_str(), table.deleted_files)).collect();
    let silver = ["silver/dirpersonname", "silver/dirpartytable", "silver/custtable"].map(|table| (table, 1));
    assert_eq!(tables, [&[("gold/customers", 1)], &silver[..]].concat());
    assert!(erased(&lake, "usmf-C1").await.tables.is_empty(), "a second erasure finds nothing");
}

#[tokio::test]
async fn a_person_who_is_still_the_customer_of_another_company_is_kept() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("custtable", json!([{"recid": 2, "dataareaid": "demf", "accountnum": "D1", "party": 1}]));
    lake.prepare().await;
    lake.add("custtable", json!([{"recid": 1, "isdelete": true}]));
    lake.prepare().await;
    let report = erased(&lake, "usmf-C1").await;
    assert!(report.is_complete() && !report.person_found, "{report}");
    assert_eq!(lake.published("customers", "customer_id, first_name").await, ["demf-D1 | Ada"]);
}
