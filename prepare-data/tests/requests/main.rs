//! Requests of a run to the object store: they do not grow with the history of the export.
//!
//! `LAKE_FOLDERS=35040 cargo test --workspace --test requests -- --nocapture` measures a year of folders every 15 minutes, with
//! 25 ms for each request.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod store;

use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use prepare_data::location::Location;
use prepare_data::run::{Report, prepare};
use prepare_data::settings::Settings;
use prepare_data::sql::Catalog;
use serde_json::{Value, json};
use tempfile::TempDir;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_a_run_do_not_grow_with_the_history_of_the_export() {
    let counter = store::count_requests();
    let folders = std::env::var("LAKE_FOLDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(120);
    let lake = Lake::new();
    lake.add(0..20);
    lake.run(0).await;
    counter.delay(true);
    let (few, _) = lake.measure(&counter, 1, "20 folders, unchanged").await;
    counter.delay(false);
    lake.add(20..folders);
    lake.run(2).await;
    counter.delay(true);
    let (unchanged, seconds) = lake.measure(&counter, 3, &format!("{folders} folders, unchanged")).await;
    // Names of folders come in pages of 5,000, which are listed once. The commits of the run before are read, too.
    assert!(unchanged <= few + folders as u64 / 5_000 + 40, "{unchanged} requests, and {few} with few folders");
    assert!(seconds < 60.0, "{seconds} s");
    lake.add(folders..folders + 96);
    let (new, _) = lake.measure(&counter, 4, "96 new folders").await;
    assert!(new <= unchanged + 96 * 5 + 600, "{new} requests for 96 new folders");
}

/// A lake of change folders, each with two tables.
struct Lake {
    folder: TempDir,
    model: String,
    columns: Vec<(String, Vec<String>)>,
}

impl Lake {
    fn new() -> Self {
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

    fn add(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let folder = (start() + TimeDelta::minutes(15 * number as i64)).format("%Y-%m-%dT%H.%M.%SZ");
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
    async fn measure(&self, counter: &store::Counter, day: i64, what: &str) -> (u64, f64) {
        counter.reset();
        let started = Instant::now();
        self.run(day).await;
        let seconds = started.elapsed().as_secs_f64();
        println!("{what}: {counter} requests, {seconds:.1} s");
        (counter.total(), seconds)
    }

    async fn run(&self, day: i64) -> Report {
        let place = |path: &Path| Location::parse(&path.to_string_lossy()).unwrap();
        let root = self.folder.path();
        let mut settings = Settings::new(place(&root.join("export")), place(&root.join("out")));
        settings.as_of = Some("2027-03-01T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::hours(day));
        let report = prepare(&settings).await.unwrap();
        assert!(report.published_all(), "{report}");
        report
    }
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}
