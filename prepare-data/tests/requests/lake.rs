//! A lake of change folders, each with two tables, and its preparation.

use std::path::PathBuf;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use prepare_data::location::Location;
use prepare_data::run::{Report, prepare};
use prepare_data::settings::Settings;
use prepare_data::sql::Catalog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store::Counter;

/// A lake of change folders, each with two tables.
pub(crate) struct Lake {
    folder: TempDir,
    model: String,
    columns: Vec<(String, Vec<String>)>,
}

impl Lake {
    pub(crate) fn new() -> Self {
        let tables = Catalog::load(None).unwrap().sources.tables;
        let columns: Vec<(String, Vec<String>)> = tables
            .iter()
            .map(|table| {
                let names = table.bronze_columns().unwrap().into_iter().map(|column| column.name);
                (table.name.clone(), names.filter(|name| name != "isdelete").chain(["isdelete".to_owned()]).collect())
            })
            .collect();
        let entity = |(table, names): &(String, Vec<String>)| {
            let attributes: Vec<Value> = names.iter().map(|name| json!({"name": name, "dataType": "string"})).collect();
            json!({"name": table, "attributes": attributes})
        };
        let model = json!({"entities": columns.iter().map(entity).collect::<Vec<_>>()}).to_string();
        let lake = Self { folder: TempDir::new().unwrap(), model, columns };
        lake.write("Changelog/changelog.info", "2030-01-01T00.00.00Z");
        lake.write("model.json", &lake.model);
        lake
    }

    pub(crate) fn add(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let folder = name_of(number);
            let customer = number % 50;
            let row = |table: &str, more: Value| {
                let mut row = json!({"id": format!("{table}-{customer}"), "recid": customer, "dataareaid": "usmf", "versionnumber": number});
                row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                self.write(&format!("{folder}/{table}/2026.csv"), &self.line(table, &row));
            };
            row("custtable", json!({"accountnum": format!("C{customer}"), "party": customer, "custgroup": number}));
            row("dirpartytable", json!({"instancerelationtype": 98_765, "name": "Ada"}));
            if number < 50 {
                row("dirpersonname", json!({"person": customer, "firstname": "Ada"}));
            }
            self.write(&format!("{folder}/model.json"), &self.model);
        }
    }

    fn line(&self, table: &str, row: &Value) -> String {
        let (_, names) = self.columns.iter().find(|(name, _)| name == table).unwrap();
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let cells = names.iter().map(|name| row.get(name).map(text).unwrap_or_default());
        cells.collect::<Vec<_>>().join(",") + "\n"
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.folder.path().join("export").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// A run on this day; returns the requests and the seconds that it took.
    pub(crate) async fn measure(&self, counter: &Counter, day: i64, what: &str) -> (u64, f64) {
        counter.reset();
        let started = Instant::now();
        self.run(day).await;
        let seconds = started.elapsed().as_secs_f64();
        println!("{what}: {counter} requests, {seconds:.1} s");
        (counter.total(), seconds)
    }

    pub(crate) async fn run(&self, day: i64) -> Report {
        let report = prepare(&self.settings(day)).await.unwrap();
        assert!(report.published_all(), "{report}");
        report
    }

    pub(crate) fn settings(&self, day: i64) -> Settings {
        let mut settings = Settings::new(self.location("export"), self.location("out"));
        settings.as_of = Some("2027-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(day));
        settings
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn location(&self, name: &str) -> Location {
        Location::parse(&self.path(name).to_string_lossy()).unwrap()
    }

    /// A folder in which a customer and the person are deleted.
    pub(crate) fn delete(&self, number: usize, customer: usize) {
        for table in ["custtable", "dirpartytable", "dirpersonname"] {
            let row = json!({"id": format!("{table}-{customer}"), "isdelete": "True", "versionnumber": number});
            self.write(&format!("{}/{table}/2026.csv", name_of(number)), &self.line(table, &row));
        }
        self.write(&format!("{}/model.json", name_of(number)), &self.model);
    }
}

fn name_of(folder: usize) -> String {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    (start + TimeDelta::minutes(15 * folder as i64)).format("%Y-%m-%dT%H.%M.%SZ").to_string()
}
