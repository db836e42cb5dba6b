//! A lake of change folders written by hand, its preparation, and a look at what was published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use prepare_data::location::Location;
use prepare_data::run::{Report, prepare};
use prepare_data::settings::Settings;
use prepare_data::sql::Catalog;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::lake::{PERSON, lines};

/// An export in change folders.
pub(crate) struct ChangeLake {
    folder: TempDir,
    columns: BTreeMap<String, Vec<String>>,
    /// The time of the next run.
    pub(crate) now: DateTime<Utc>,
}

impl ChangeLake {
    /// A lake without a folder; the folder of December is still being written.
    pub(crate) fn new() -> Self {
        let catalog = Catalog::load(None).unwrap();
        let columns = |table: &prepare_data::sql::SourceTable| {
            let names = table.bronze_columns().unwrap().into_iter().map(|column| column.name);
            let names = names.filter(|name| name != "isdelete").chain(["IsDelete".to_owned()]);
            (table.name.clone(), names.collect())
        };
        let lake = Self {
            folder: TempDir::new().unwrap(),
            columns: catalog.sources.tables.iter().map(columns).collect(),
            now: "2026-02-01T00:00:00Z".parse().unwrap(),
        };
        lake.write("Changelog/changelog.info", "2026-12-01T00.00.00Z");
        lake
    }

    /// A lake with Ada, C1, in the folder of the first of January.
    pub(crate) fn with_ada() -> Self {
        let lake = Self::new();
        lake.add(
            "2026-01-01T00.00.00Z",
            &[("custtable", ada_customer()), ("dirpartytable", ada_party()), ("dirpersonname", ada_name())],
        );
        lake
    }

    /// Names of the columns of a table, which a test may change for the folders that follow.
    pub(crate) fn columns(&mut self, table: &str) -> &mut Vec<String> {
        self.columns.get_mut(table).unwrap()
    }

    /// Writes a folder with rows and its model. What a row does not say is empty, except that it has an id and a company.
    pub(crate) fn add(&self, folder: &str, tables: &[(&str, Value)]) {
        for (table, rows) in tables {
            let text: String = rows.as_array().unwrap().iter().map(|row| self.line(table, row)).collect();
            self.write(&format!("{folder}/{table}/2026.csv"), &text);
        }
        self.describe(folder);
    }

    /// Writes the models of a folder and of the lake.
    pub(crate) fn describe(&self, folder: &str) {
        let entities: Vec<Value> = self
            .columns
            .iter()
            .map(|(table, columns)| {
                let attributes: Vec<Value> =
                    columns.iter().map(|name| json!({"name": name, "dataType": "string"})).collect();
                json!({"$type": "LocalEntity", "name": table, "attributes": attributes})
            })
            .collect();
        let model = json!({"name": "cdm", "entities": entities}).to_string();
        self.write(&format!("{folder}/model.json"), &model);
        self.write("model.json", &model);
    }

    /// A row as a line of CSV.
    pub(crate) fn line(&self, table: &str, row: &Value) -> String {
        let value = |name: &String| {
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let said = row.get(name.to_lowercase()).map(text);
            let id = || format!("{table}-{}", row.get("recid").unwrap_or(&Value::Null));
            let default = || match name.as_str() {
                "id" => id(),
                "dataareaid" => "usmf".to_owned(),
                _ => String::new(),
            };
            let text = said.unwrap_or_else(default);
            if text.is_empty() { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
        };
        self.columns[table].iter().map(value).collect::<Vec<_>>().join(",") + "\r\n"
    }

    pub(crate) fn write(&self, file: &str, text: impl AsRef<[u8]>) {
        let path = self.path("export").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path("export").join(file)).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn settings(&self, out: &str) -> Settings {
        let place = |path: &Path| Location::parse(&path.to_string_lossy()).unwrap();
        let mut settings = Settings::new(place(&self.path("export")), place(&self.path(out)));
        settings.as_of = Some(self.now);
        settings
    }

    /// Prepares; the run has to publish.
    pub(crate) async fn prepare(&mut self) -> Report {
        let report = prepare(&self.settings("out")).await.unwrap();
        assert!(report.published_all(), "{report}");
        self.now += TimeDelta::hours(6);
        report
    }

    /// Prepares, which has to fail; returns the error.
    pub(crate) async fn fail(&self) -> String {
        match prepare(&self.settings("out")).await {
            Ok(report) => panic!("nothing was wrong: {report}"),
            Err(error) => error.to_string(),
        }
    }

    /// Columns of a published table, as sorted lines.
    pub(crate) async fn published(&self, table: &str, columns: &str) -> Vec<String> {
        self.table("out", &format!("gold/{table}"), columns).await
    }

    /// The incremental runs published what a whole run publishes.
    pub(crate) async fn assert_as_whole(&self, table: &str) {
        let mut settings = self.settings("whole");
        let _ = std::fs::remove_dir_all(self.path("whole"));
        settings.full = true;
        let report = prepare(&settings).await.unwrap();
        assert!(report.published_all(), "{report}");
        let name = format!("gold/{table}");
        assert_eq!(self.table("out", &name, "*").await, self.table("whole", &name, "*").await);
    }

    async fn table(&self, out: &str, name: &str, columns: &str) -> Vec<String> {
        let path = self.path(out).join(name);
        let place = Location::parse(&path.to_string_lossy()).unwrap();
        lines(&place.open().await.unwrap().unwrap_or_else(|| panic!("{name} holds no Delta table")), columns).await
    }
}

fn ada_customer() -> Value {
    json!([{"recid": 1, "accountnum": "C1", "party": 1, "versionnumber": 10, "sinkmodifiedon": "1/1/2026 12:10:00 AM"}])
}

fn ada_party() -> Value {
    json!([{"recid": 1, "instancerelationtype": PERSON, "primaryaddresslocation": 5, "versionnumber": 10}])
}

fn ada_name() -> Value {
    json!([{"recid": 1, "person": 1, "firstname": "Ada", "lastname": "Lovelace", "versionnumber": 10}])
}
