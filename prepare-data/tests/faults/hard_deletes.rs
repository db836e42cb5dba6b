//! Rows that leave an exported table without a delete of their own.

use deltalake::DeltaTable;
use serde_json::{Value, json};

use crate::lake::Lake;

#[tokio::test]
async fn a_row_that_a_deletion_vector_removes_is_gone_in_the_next_run() {
    let mut lake = three_customers().await;
    for (rows, left) in [(vec![1], vec!["C1", "C3"]), (vec![0, 1], vec!["C3"])] {
        delete(&lake, &rows);
        assert_eq!(customers_after_a_run(&mut lake).await, left);
    }
}

/// A lake of three customers of one person, prepared.
async fn three_customers() -> Lake {
    let mut lake = Lake::new();
    let customers = (1..=3).map(|number| json!({"recid": number, "accountnum": format!("C{number}"), "party": 1}));
    lake.add("custtable", customers.collect())
        .add("dirpartytable", json!([{"recid": 1, "instancerelationtype": crate::lake::PERSON}]))
        .add("dirpersonname", json!([{"recid": 1, "person": 1, "firstname": "Ada"}]));
    lake.prepare().await;
    lake.now += chrono::TimeDelta::hours(6);
    lake
}

/// Replaces the files with customers that a condition holds for by files without them.
async fn rewrite_without(lake: &Lake, condition: &str) {
    let url = url::Url::from_directory_path(lake.path("export/deltalake/custtable")).unwrap();
    let table = DeltaTable::try_from_url(url).await.unwrap();
    table.delete().with_predicate(condition).await.unwrap();
}

/// Prepares by changes, and returns the customers.
async fn customers_after_a_run(lake: &mut Lake) -> Vec<String> {
    let report = lake.prepare().await;
    assert!(!report.reconciled, "{report}");
    lake.now += chrono::TimeDelta::hours(6);
    lake.published("customers", "customer_number").await
}

#[tokio::test]
async fn a_row_that_a_rewritten_file_lacks_is_gone_in_the_next_run() {
    let mut lake = three_customers().await;
    rewrite_without(&lake, "recid = 2").await;
    assert_eq!(customers_after_a_run(&mut lake).await, ["C1", "C3"]);

    // In the same run, another row is new and one has changed.
    rewrite_without(&lake, "recid = 1").await;
    lake.add(
        "custtable",
        json!([{"recid": 4, "accountnum": "C4", "party": 1}, {"recid": 3, "accountnum": "C9", "party": 1}]),
    );
    assert_eq!(customers_after_a_run(&mut lake).await, ["C4", "C9"]);

    // A whole file goes, and no file takes its place.
    rewrite_without(&lake, "recid = 4").await;
    assert_eq!(customers_after_a_run(&mut lake).await, ["C9"]);
}

#[tokio::test]
async fn a_row_is_missed_although_the_replaced_file_was_deleted() {
    let mut lake = three_customers().await;
    let folder = lake.path("export/deltalake/custtable");
    let files = || std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let replaced: Vec<_> = files().filter(|path| path.extension().is_some_and(|end| end == "parquet")).collect();
    rewrite_without(&lake, "recid = 2").await;
    replaced.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    assert_eq!(customers_after_a_run(&mut lake).await, ["C1", "C3"]);
}

#[tokio::test]
async fn a_table_whose_files_were_merged_has_lost_nothing() {
    let mut lake = three_customers().await;
    lake.add("custtable", json!([{"recid": 4, "accountnum": "C4", "party": 1}]));
    assert_eq!(customers_after_a_run(&mut lake).await, ["C1", "C2", "C3", "C4"]);
    let before = lake.everything().await;
    let url = url::Url::from_directory_path(lake.path("export/deltalake/custtable")).unwrap();
    let (_, metrics) = DeltaTable::try_from_url(url).await.unwrap().optimize().await.unwrap();
    assert_eq!(metrics.num_files_removed, 2);
    customers_after_a_run(&mut lake).await;
    assert_eq!(lake.everything().await, before);
}

#[tokio::test]
async fn rows_without_an_id_are_refused_in_every_run_over_delta_tables() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}));
    lake.prepare().await;
    lake.add("custtable", json!([{"id": null, "recid": 2, "accountnum": "C2", "party": 1}]));
    let report = lake.run(|_| ()).await;
    assert_eq!(report.problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["keys"], "{report}");
}

/// Replaces the deletion vector of the only file of the customers.
fn delete(lake: &Lake, rows: &[u16]) {
    let log = lake.path("export/deltalake/custtable/_delta_log");
    let mut commits: Vec<_> = std::fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path()).collect();
    commits.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    commits.sort();
    let actions = commits.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>()
    });
    let mut add = actions.filter_map(|action| action.get("add").cloned()).next_back().unwrap();
    let mut remove =
        json!({"path": add["path"], "deletionTimestamp": 0, "dataChange": true, "extendedFileMetadata": false});
    if let Some(vector) = add.get("deletionVector").filter(|vector| !vector.is_null()) {
        remove["deletionVector"] = vector.clone();
    }
    let bytes = bitmap(rows);
    add["deletionVector"] = json!({"storageType": "i", "pathOrInlineDv": base85(&bytes), "sizeInBytes": bytes.len(), "cardinality": rows.len()});
    let features = ["deletionVectors"];
    let protocol =
        json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features});
    let actions = [json!({"protocol": protocol}), json!({"remove": remove}), json!({"add": add})];
    let text = actions.map(|action| action.to_string()).join("\n");
    std::fs::write(log.join(format!("{:020}.json", commits.len())), text).unwrap();
}

/// A bitmap of rows, as <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#deletion-vector-format> defines it.
fn bitmap(rows: &[u16]) -> Vec<u8> {
    let count = u16::try_from(rows.len()).unwrap();
    let mut bytes = 1_681_511_377_u32.to_le_bytes().to_vec();
    bytes.extend(1_u64.to_le_bytes()); // one bitmap, with the upper half of the numbers
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(12_346_u32.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes()); // one container: its key, its count less one, and where it is
    bytes.extend(0_u16.to_le_bytes());
    bytes.extend((count - 1).to_le_bytes());
    bytes.extend(16_u32.to_le_bytes());
    rows.iter().for_each(|row| bytes.extend(row.to_le_bytes()));
    bytes
}

fn base85(bytes: &[u8]) -> String {
    const SIGNS: &[u8; 85] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    let mut text = String::new();
    for block in bytes.chunks(4) {
        let mut word = [0; 4];
        word[..block.len()].copy_from_slice(block);
        let number = u32::from_be_bytes(word);
        for power in [52_200_625, 614_125, 7_225, 85, 1] {
            text.push(char::from(SIGNS[(number / power % 85) as usize]));
        }
    }
    text
}
