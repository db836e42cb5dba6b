//! A customer who asked to be forgotten.

use prepare_data::engine::Engine;
use prepare_data::erase::{Erasure, erase};
use prepare_data::location::Location;
use serde_json::json;

use crate::lake::{Lake, PERSON};

async fn erased(lake: &Lake, customer: &str) -> Erasure {
    let prepared = Location::parse(&lake.path("out").to_string_lossy()).unwrap();
    erase(&prepared, customer, &Engine::new(256 << 20, 2).unwrap()).await.unwrap()
}

/// Parquet files that contain a text. The writers do not compress such short values.
fn files_with(lake: &Lake, text: &str) -> usize {
    let mut folders = vec![lake.path("out")];
    let mut found = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "parquet") {
                let bytes = std::fs::read(&path).unwrap();
                found += usize::from(bytes.windows(text.len()).any(|part| part == text.as_bytes()));
            }
        }
    }
    found
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
    let report = erased(&lake, "USMF-c1").await;
    assert!(report.is_complete() && report.person_found, "{report}");
    assert_eq!(files_with(&lake, "dalbertina"), 0, "{report}");
    assert_eq!(lake.everything().await, before);
    assert!(erased(&lake, "usmf-C1").await.tables.is_empty(), "a second erasure finds nothing");
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_number").await, ["C2"]);
}

#[tokio::test]
async fn a_person_who_is_still_the_customer_of_another_company_is_kept() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("custtable", json!([{"recid": 2, "dataareaid": "demf", "accountnum": "D1", "party": 1}]))
        .add("dirpartytable", json!([{"recid": 3, "instancerelationtype": PERSON}]));
    lake.prepare().await;
    lake.add("custtable", json!([{"recid": 1, "isdelete": true}]));
    lake.prepare().await;
    let report = erased(&lake, "usmf-C1").await;
    assert!(report.is_complete() && !report.person_found, "{report}");
    assert_eq!(lake.published("customers", "customer_id, first_name").await, ["demf-D1 | Ada"]);
}
