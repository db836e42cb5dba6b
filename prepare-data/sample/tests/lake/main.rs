//! Sample lakes: the same seed makes the same lake, both forms tell the same, and what is wrong with real data is in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod changes;
mod content;
mod csv_form;
mod lake;

use std::{fs, path::Path};

use deltalake::arrow::datatypes::{DataType, TimeUnit};
use sample_lake::{Format, Options, SampleError, generate, remove};
use serde_json::Value;

use lake::{Lake, contents, small};

/// What an export calls the types of `sources.json`: enumerations are 64-bit there.
fn exported_type(declared: &str) -> DataType {
    match declared {
        "string" => DataType::Utf8,
        "int" | "bigint" => DataType::Int64,
        "boolean" => DataType::Boolean,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        // Exchange rates can have sixteen digits; those of the sample have six.
        "decimal(32,6)" | "decimal(32,16)" => DataType::Decimal128(32, 6),
        other => panic!("sources.json has a new type {other}"),
    }
}

#[tokio::test]
async fn every_source_column_is_exported_with_its_type() {
    let sources = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql/sources.json")).unwrap();
    let sources: Value = serde_json::from_slice(&sources).unwrap();
    let lake = Lake::delta(Options { lines: 200, customers: 50, ..small() }).await;

    for table in sources["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        let columns = lake.columns(name).await;
        let system =
            [("id", "string"), ("recid", "bigint"), ("versionnumber", "bigint"), ("sinkmodifiedon", "timestamp")];
        let mut expected: Vec<_> = system.to_vec();
        expected.extend(
            table["columns"]
                .as_array()
                .unwrap()
                .iter()
                .map(|column| (column["name"].as_str().unwrap(), column["type"].as_str().unwrap())),
        );
        expected.push(("isdelete", "boolean"));
        if table["company"].as_bool().unwrap() {
            expected.push(("dataareaid", "string"));
        }
        for (column, declared) in expected {
            assert_eq!(columns.get(column), Some(&exported_type(declared)), "{name}.{column}");
        }
        let listed = table["columns"].as_array().unwrap().iter().any(|column| column["name"] == "dataareaid");
        assert_eq!(columns.contains_key("dataareaid"), listed || table["company"].as_bool().unwrap(), "{name}");
    }
}

#[tokio::test]
async fn the_same_options_make_the_same_lake() {
    for format in [Format::Delta, Format::Csv] {
        let options = Options { format, customers: 120, lines: 900, ..small() };
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        generate(one.path(), options.clone()).await.unwrap();
        generate(other.path(), options.clone()).await.unwrap();
        assert_eq!(contents(one.path()), contents(other.path()), "{format:?}");

        let third = tempfile::tempdir().unwrap();
        generate(third.path(), Options { seed: options.seed + 1, ..options }).await.unwrap();
        assert_ne!(contents(one.path()), contents(third.path()), "{format:?}");
    }
}

#[tokio::test]
async fn delta_tables_stay_at_the_protocol_that_every_reader_knows() {
    let lake = Lake::delta(Options { customers: 50, lines: 200, ..small() }).await;
    for table in lake.tables() {
        let log = lake.folder().join("deltalake").join(&table).join("_delta_log/00000000000000000000.json");
        let text = fs::read_to_string(log).unwrap();
        assert!(text.contains(r#""minReaderVersion":1,"minWriterVersion":2"#), "{table}: {text}");
    }
}

#[tokio::test]
async fn nothing_but_a_sample_lake_is_overwritten_or_removed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("precious.txt"), "keep me").unwrap();

    let made = generate(folder.path(), small()).await;
    assert!(matches!(made, Err(SampleError::NotEmpty { .. })), "{made:?}");
    remove(folder.path()).unwrap_err();
    assert!(folder.path().join("precious.txt").exists());
}

#[tokio::test]
async fn tables_can_be_left_out() {
    let without = |name: &str| Options { without: vec![name.to_owned()], customers: 40, lines: 100, ..small() };
    let lake = Lake::delta(without("sqldictionary")).await;
    assert!(!lake.tables().contains(&"sqldictionary".to_owned()));

    let unknown = generate(tempfile::tempdir().unwrap().path(), without("custtabel")).await;
    assert!(matches!(unknown, Err(SampleError::UnknownTable { .. })), "{unknown:?}");
}

#[tokio::test]
async fn there_are_as_many_rows_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { customers: 800, lines: 8_000, dirt: 0.0, ..small() };
    let summary = generate(folder.path(), options).await.unwrap();

    assert_eq!(summary.rows("custtable"), 800);
    let lines = summary.rows("salesline") + summary.rows("retailtransactionsalestrans");
    assert!((7_600..8_400).contains(&lines), "{lines} lines");
    assert!(summary.rows("salesline") > 3_000 && summary.rows("retailtransactionsalestrans") > 3_000, "{summary}");
}
