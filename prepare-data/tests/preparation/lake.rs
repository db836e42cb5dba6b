//! A sample lake, a place for its results, and a look at them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Weak};

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::DeltaTable;
use deltalake::arrow::util::pretty::pretty_format_batches;
use deltalake::datafusion::prelude::SessionContext;
use prepare_data::location::Location;
use prepare_data::run::{Report, prepare};
use prepare_data::settings::Settings;
use sample_lake::{Format, Options};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A sample lake whose shop goes on as told.
pub(crate) struct Lake {
    folder: TempDir,
    day: i64,
    /// What it is a copy of, kept for the other tests that run now.
    _original: Option<Arc<Lake>>,
}

/// Prepared lakes that tests which run now hold copies of: small and complete ones, by form. Preparing one takes most of the
/// time of a test.
static PREPARED: [Mutex<Weak<Lake>>; 4] = [const { Mutex::const_new(Weak::new()) }; 4];

impl Lake {
    pub(crate) async fn new(format: Format) -> Self {
        Self::with(Options { format, ..small() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let lake = Self { folder: TempDir::new().unwrap(), day: 0, _original: None };
        sample_lake::generate(&lake.export(), options).await.unwrap();
        lake
    }

    /// A small lake, prepared once.
    pub(crate) async fn prepared(format: Format, results: &str) -> Self {
        Self::copied(&PREPARED[usize::from(format == Format::Csv)], Options { format, ..small() }, results).await
    }

    /// A small lake with every table, prepared once.
    pub(crate) async fn prepared_complete(format: Format, results: &str) -> Self {
        Self::copied(&PREPARED[2 + usize::from(format == Format::Csv)], Options { format, ..complete() }, results).await
    }

    async fn copied(known: &Mutex<Weak<Self>>, options: Options, results: &str) -> Self {
        let mut known = known.lock().await;
        let original = match known.upgrade() {
            Some(original) => original,
            None => {
                let lake = Self::with(options).await;
                lake.prepare("out").await;
                Arc::new(lake)
            }
        };
        *known = Arc::downgrade(&original);
        let copied = Self { folder: TempDir::new().unwrap(), day: 0, _original: Some(Arc::clone(&original)) };
        copy(&original.export(), &copied.export());
        copy(&original.results("out"), &copied.results(results));
        copied
    }

    /// A day passes.
    pub(crate) async fn goes_on(&mut self) {
        sample_lake::change(&self.export(), 0.02, 1).await.unwrap();
        self.day += 1;
    }

    /// Makes a value of the newest change folder that has the table unreadable.
    pub(crate) fn spoil(&self, table: &str, column: &str) {
        let text = std::fs::read_to_string(self.export().join("model.json")).unwrap();
        let model: serde_json::Value = serde_json::from_str(&text).unwrap();
        let named = |value: &serde_json::Value, name: &str| value["name"].as_str().unwrap().eq_ignore_ascii_case(name);
        let entity = model["entities"].as_array().unwrap().iter().find(|entity| named(entity, table)).unwrap();
        let columns = entity["attributes"].as_array().unwrap();
        let place = columns.iter().position(|attribute| named(attribute, column)).unwrap();
        let changes = folders(&self.export()).into_iter().filter(|name| name.starts_with("20")).rev();
        let complete = changes.skip(1); // the newest is being written to
        let with_table = complete.map(|folder| self.export().join(folder).join(table)).filter(|folder| folder.is_dir());
        for folder in with_table {
            let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            files.sort();
            for file in files {
                let text = std::fs::read(&file).unwrap();
                let rows =
                    csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&text[..]).into_records();
                let mut rows: Vec<Vec<String>> =
                    rows.map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
                let Some(value) = rows.iter_mut().find_map(|row| row.get_mut(place).filter(|value| !value.is_empty()))
                else {
                    continue;
                };
                "lots".clone_into(value);
                let mut writer = csv::WriterBuilder::new().has_headers(false).flexible(true).from_path(&file).unwrap();
                rows.iter().for_each(|row| writer.write_record(row).unwrap());
                return writer.flush().unwrap();
            }
        }
        panic!("no {column} in the change folders of {table}");
    }

    pub(crate) fn export(&self) -> std::path::PathBuf {
        self.folder.path().join("export")
    }

    pub(crate) fn results(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        Options::default().as_of + TimeDelta::days(self.day)
    }

    pub(crate) fn settings(&self, results: &str) -> Settings {
        let mut settings = Settings::new(location(&self.export()), location(&self.results(results)));
        settings.as_of = Some(self.now());
        // In every lake, so that what is compared has converted amounts, too.
        settings.parameters.insert("reporting_currency".to_owned(), "EUR".to_owned());
        settings
    }

    pub(crate) async fn prepare(&self, results: &str) -> Report {
        let report = prepare(&self.settings(results)).await.unwrap();
        assert!(report.published_all(), "{report}");
        report
    }

    /// Every table of a layer, its rows as sorted text.
    pub(crate) async fn tables(&self, results: &str, layer: &str) -> BTreeMap<String, Vec<String>> {
        let mut tables = BTreeMap::new();
        for name in folders(&self.results(results).join(layer)) {
            let table = open(&self.results(results).join(layer).join(&name)).await;
            tables.insert(name, rows(&table).await);
        }
        assert!(!tables.is_empty(), "{layer} of {results} holds no tables");
        tables
    }

    /// Versions of all tables.
    pub(crate) async fn versions(&self, results: &str) -> BTreeMap<String, Option<u64>> {
        let mut versions = BTreeMap::new();
        for layer in ["silver", "gold", "quality"] {
            for name in folders(&self.results(results).join(layer)) {
                let table = open(&self.results(results).join(layer).join(&name)).await;
                versions.insert(format!("{layer}/{name}"), table.version());
            }
        }
        versions
    }

    /// Nothing tells the tables of two preparations apart.
    pub(crate) async fn assert_equal(&self, one: &str, other: &str, layers: &[&str]) {
        for layer in layers {
            let (left, right) = (self.tables(one, layer).await, self.tables(other, layer).await);
            assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "tables of {layer}");
            for (table, rows) in &left {
                let others = &right[table];
                let difference: Vec<_> = rows.iter().zip(others).filter(|(a, b)| a != b).take(3).collect();
                assert_eq!(rows.len(), others.len(), "rows of {layer}/{table}: {difference:#?}");
                assert!(difference.is_empty(), "{layer}/{table} differs: {difference:#?}");
            }
        }
    }
}

/// Enough of everything that is wrong with data, and quickly done: without the tables that only some published tables need.
pub(crate) fn small() -> Options {
    let without = [
        "retailcusttable",
        "retailtransactionpaymenttrans",
        "mcrcustpaymtable",
        "retailtendertypetable",
        "retailstoretendertypetable",
        "retailloyaltycardtier",
        "retailloyaltytier",
        "retailaffiliation",
        "salestransaction",
        "retailwishlisttable",
        "retailwishlistlinetable",
        "inventtable",
        "ecoresproduct",
        "ecoresproducttranslation",
        "ecoresproductcategory",
        "ecorescategory",
        "ecorescategoryhierarchy",
        "inventdimcombination",
        "inventdim",
        "ecoresproductinstancevalue",
        "ecoresattributevalue",
        "ecoresattribute",
        "ecorestextvalue",
        "exchangerate",
        "exchangeratecurrencypair",
        "exchangeratetype",
    ];
    Options { without: without.map(str::to_owned).to_vec(), ..complete() }
}

/// The same with every table.
pub(crate) fn complete() -> Options {
    Options { customers: 300, lines: 2_000, ..Options::default() }
}

pub(crate) fn location(path: &Path) -> Location {
    Location::parse(&path.to_string_lossy()).unwrap()
}

pub(crate) async fn open(path: &Path) -> DeltaTable {
    location(path).open().await.unwrap().unwrap_or_else(|| panic!("{} holds no table", path.display()))
}

pub(crate) async fn rows(table: &DeltaTable) -> Vec<String> {
    let session = SessionContext::new();
    table.update_datafusion_session(&session.state()).unwrap();
    session.register_table("t", table.table_provider().with_session(Arc::new(session.state())).await.unwrap()).unwrap();
    query(&session, "select * from t").await
}

/// Columns of some rows of a published table, as sorted lines; nothing for NULL.
pub(crate) async fn published(lake: &Lake, table: &str, columns: &[&str], condition: &str) -> Vec<String> {
    let session = SessionContext::new();
    let table = open(&lake.results("out").join("gold").join(table)).await;
    table.update_datafusion_session(&session.state()).unwrap();
    session.register_table("t", table.table_provider().with_session(Arc::new(session.state())).await.unwrap()).unwrap();
    let texts: Vec<_> = columns.iter().map(|column| format!("coalesce(cast({column} as string), '')")).collect();
    let rows =
        query(&session, &format!("select concat_ws(' ', {}) as line from t where {condition}", texts.join(", "))).await;
    let mut lines: Vec<String> = rows.iter().map(|row| row.trim_matches(['|', ' ']).to_owned()).collect();
    lines.sort();
    lines
}

/// Result rows of a statement, sorted, as text.
pub(crate) async fn query(session: &SessionContext, statement: &str) -> Vec<String> {
    let batches = session.sql(statement).await.unwrap().collect().await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let mut lines: Vec<String> = text.lines().skip(3).filter(|line| line.starts_with('|')).map(squeezed).collect();
    lines.sort();
    lines
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folders(path: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(path) else { return Vec::new() };
    let folders = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Copies a folder with all that is in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
