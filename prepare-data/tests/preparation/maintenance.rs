//! Which rows share files, and files that are put together.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use prepare_data::Error;
use prepare_data::delta::{AgeBuckets, TableWriter, check_table};
use prepare_data::engine::{Engine, sql};
use sample_lake::Format;
use serde_json::Value;
use tempfile::TempDir;

use crate::lake::{Lake, location, open, rows};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_young_rows_leaves_the_files_of_old_ones_alone() {
    let mut lake = Lake::prepared(Format::Delta, "out").await;
    // Orders and receipts change for four weeks.
    let old = lake.now() - TimeDelta::days(31);
    lake.goes_on().await;
    lake.prepare("out").await;
    let tables = [
        ("gold/sales_orders", "ordered_at"),
        ("gold/sales_order_lines", "ordered_at"),
        ("gold/store_transactions", "transacted_at"),
    ];
    for (table, column) in tables {
        let commits = commits(&lake.results("out").join(table));
        let [first, second] = &commits[..] else { panic!("{table} has {} versions", commits.len()) };
        let replaced: Vec<_> = actions(second, "remove").map(|file| file["path"].as_str().unwrap()).collect();
        let (replaced, kept): (Vec<_>, Vec<_>) =
            actions(first, "add").partition(|file| replaced.contains(&file["path"].as_str().unwrap()));
        assert!(!replaced.is_empty(), "nothing changed in {table}");
        for file in &replaced {
            assert!(ends(file, column).0 >= old, "{table}: old rows were written again: {file}");
        }
        assert!(kept.iter().any(|file| ends(file, column).1 < old), "{table} keeps no file of old rows");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_lacks_rows_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let engine = Engine::new(64 << 20, 2).unwrap();
    let table_writer = TableWriter::new(&engine, location(folder.path()), "sales", "sale_id", "Sales");
    let ask = async |statement: &str| sql(&engine.session(), "sales", statement).await.unwrap();
    let three = ask("select cast(value as string) as sale_id, 1 as quantity from generate_series(1, 3)").await;
    table_writer.difference(None, three).await.unwrap().unwrap().commit().await.unwrap();
    let log = folder.path().join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace(r#"\"numRecords\":3"#, r#"\"numRecords\":4"#)).unwrap();

    let table = open(folder.path()).await;
    let change = ask("select '2' as sale_id, 5 as quantity").await;
    let refused = table_writer.changes(table, change, ask("select '2' as key").await).await.unwrap_err();
    assert!(matches!(refused, Error::Incomplete { written: 3, expected: 4, .. }), "{refused}");
    assert_eq!(rows(&open(folder.path()).await).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_become_few_that_still_keep_young_and_old_apart() {
    let now: DateTime<Utc> = "2026-11-15T00:00:00Z".parse().unwrap();
    let ages = [0, 60, 200, 1000];
    let folder = TempDir::new().unwrap();
    let engine = Engine::new(64 << 20, 2).unwrap();
    let age = Some(AgeBuckets::of("sold_at", now));
    let table_writer = TableWriter::new(&engine, location(folder.path()), "sales", "sale_id", "Sales").by_age(age);
    let sale = async |number: usize| {
        let sold_at = (now - TimeDelta::days(ages[number % ages.len()])).format("%F %T");
        let statement = format!("select 'sale-{number}' as sale_id, timestamp '{sold_at}' as sold_at");
        sql(&engine.session(), "sale", &statement).await.unwrap()
    };
    let key =
        async |number: usize| sql(&engine.session(), "key", &format!("select 'sale-{number}' as key")).await.unwrap();
    let first = table_writer.difference(None, sale(0).await).await.unwrap();
    let mut table = first.unwrap().commit().await.unwrap();
    for number in 1..30 {
        let change = table_writer.changes(table, sale(number).await, key(number).await).await.unwrap();
        table = change.unwrap().commit().await.unwrap();
    }
    let before = rows(&table).await;
    let (_, maintenance) = table_writer.maintain(table).await.unwrap();
    assert_eq!(maintenance.compacted, 30);
    let table = open(folder.path()).await;
    check_table("sales", &table).unwrap();
    assert_eq!(rows(&table).await, before);

    let commits = commits(folder.path());
    let last = commits.last().unwrap();
    let files: Vec<_> = actions(last, "add").collect();
    assert_eq!(files.len(), ages.len());
    for file in files {
        let (oldest, youngest) = ends(file, "sold_at");
        assert_eq!(oldest, youngest, "ages are mixed in {file}");
        assert_eq!(file["dataChange"], false, "a reader of changes would take {file} for new rows");
    }
    assert!(actions(last, "remove").all(|file| file["dataChange"] == false));
}

/// The actions of every version of a table. <https://github.com/delta-io/delta/blob/master/PROTOCOL.md#actions>
fn commits(table: &Path) -> Vec<Vec<Value>> {
    let entries = std::fs::read_dir(table.join("_delta_log")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    let read = |path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    files.into_iter().map(read).collect()
}

fn actions<'a>(commit: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    commit.iter().filter_map(move |action| action.get(kind))
}

/// The least and the greatest time in a file.
fn ends(file: &Value, column: &str) -> (DateTime<Utc>, DateTime<Utc>) {
    let statistics: Value = serde_json::from_str(file["stats"].as_str().unwrap()).unwrap();
    let end = |name: &str| statistics[name][column].as_str().unwrap().parse().unwrap();
    (end("minValues"), end("maxValues"))
}
