//! A lake of a few rows written by hand, its preparation, and a look at what was published.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::DeltaTable;
use deltalake::arrow::array::{ArrayRef, RecordBatch};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::arrow::json::ReaderBuilder;
use deltalake::arrow::util::display::{ArrayFormatter, FormatOptions};
use deltalake::datafusion::prelude::SessionContext;
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::operations::create::CreateBuilder;
use deltalake::operations::write::SchemaMode;
use deltalake::protocol::SaveMode;
use prepare_data::location::Location;
use prepare_data::run::{Report, prepare};
use prepare_data::settings::Settings;
use prepare_data::sql::{Catalog, Column, SourceTable};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The type of a person, unlike that of the environment the notebook was written in.
pub(crate) const PERSON: i64 = 98_765;

/// An export in Delta, and the time.
pub(crate) struct Lake {
    folder: TempDir,
    tables: BTreeMap<String, SourceTable>,
    new_rows: BTreeMap<String, Vec<Value>>,
    new_columns: BTreeMap<String, Vec<String>>,
    text_columns: BTreeSet<(String, String)>,
    exports: i64,
    records: i64,
    /// The time of the next run.
    pub(crate) now: DateTime<Utc>,
}

impl Lake {
    /// A lake with the required tables, all empty.
    pub(crate) fn new() -> Self {
        Self::with(Catalog::load(None).unwrap())
    }

    /// The same for other SQL files.
    pub(crate) fn with(catalog: Catalog) -> Self {
        let tables = catalog.sources.tables;
        let required = tables.iter().filter(|table| table.required);
        Self {
            folder: TempDir::new().unwrap(),
            new_rows: required.map(|table| (table.name.clone(), Vec::new())).collect(),
            tables: tables.into_iter().map(|table| (table.name.clone(), table)).collect(),
            new_columns: BTreeMap::new(),
            text_columns: BTreeSet::new(),
            exports: 0,
            records: 1_000,
            now: "2026-02-01T00:00:00Z".parse().unwrap(),
        }
    }

    /// Names of the tables that can be exported.
    pub(crate) fn table_names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    /// Rows for the next export. What a row does not say is NULL, except for what every row has: a record id of its own, an
    /// id that follows from it, a row version and a time that follow from the export, and the company `usmf`.
    pub(crate) fn add(&mut self, table: &str, rows: Value) -> &mut Self {
        let Value::Array(rows) = rows else { panic!("rows of {table} are an array") };
        for mut row in rows {
            self.records += 1;
            let defaults = json!({"recid": self.records, "isdelete": false});
            fill(&mut row, &defaults);
            let id = format!("{table}-{}", row["recid"]);
            fill(&mut row, &json!({"id": id}));
            if self.tables[table].company {
                fill(&mut row, &json!({"dataareaid": "usmf"}));
            }
            self.new_rows.entry(table.to_owned()).or_default().push(row);
        }
        self
    }

    /// A person who is a customer of `usmf`, with what else her party says.
    pub(crate) fn add_person(
        &mut self,
        party: i64,
        account: &str,
        first: &str,
        last: &str,
        mut more: Value,
    ) -> &mut Self {
        fill(&mut more, &json!({"recid": party, "instancerelationtype": PERSON}));
        self.add("custtable", json!([{"recid": party, "accountnum": account, "party": party}]))
            .add("dirpartytable", json!([more]))
            .add("dirpersonname", json!([{"recid": party, "person": party, "firstname": first, "lastname": last}]))
    }

    /// From the next export on, a table has one column more.
    pub(crate) fn add_column(&mut self, table: &str, column: &str) {
        self.new_columns.entry(table.to_owned()).or_default().push(column.to_owned());
    }

    /// A column is exported as text.
    pub(crate) fn export_as_text(&mut self, table: &str, column: &str) {
        self.text_columns.insert((table.to_owned(), column.to_owned()));
    }

    /// A list of labels of enums, beside the tables.
    pub(crate) fn add_labels(&mut self, rows: Value) {
        let columns = ["optionsetname", "option", "localizedlabel", "entityname", "externalvalue"];
        let columns = columns.map(|name| json!({"name": name, "type": "string"}));
        let list = json!({"name": "globaloptionsetmetadata", "about": "", "columns": columns});
        self.tables.insert("globaloptionsetmetadata".to_owned(), serde_json::from_value(list).unwrap());
        self.add("globaloptionsetmetadata", rows);
    }

    /// Exports what was added, and prepares; the run has to publish.
    pub(crate) async fn prepare(&mut self) -> Report {
        let report = self.run(|_| ()).await;
        assert!(report.published_all(), "{report}");
        report
    }

    /// Exports what was added, and prepares with settings of one's own.
    pub(crate) async fn run(&mut self, change: impl FnOnce(&mut Settings)) -> Report {
        self.try_run(change).await.unwrap()
    }

    /// The same where the preparation may fail.
    pub(crate) async fn try_run(&mut self, change: impl FnOnce(&mut Settings)) -> Result<Report, prepare_data::Error> {
        self.export().await;
        let mut settings = self.settings();
        change(&mut settings);
        prepare(&settings).await
    }

    /// Settings of a run.
    pub(crate) fn settings(&self) -> Settings {
        let place = |name: &str| Location::parse(&self.path(name).to_string_lossy()).unwrap();
        let mut settings = Settings::new(place("export"), place("out"));
        settings.as_of = Some(self.now);
        settings
    }

    /// Columns of a published table, as sorted lines: `value | value`, and `-` for NULL.
    pub(crate) async fn published(&self, table: &str, columns: &str) -> Vec<String> {
        lines(&self.open(&format!("gold/{table}")).await, columns).await
    }

    /// Rejected rows: the row's id, and why.
    pub(crate) async fn rejected(&self) -> Vec<String> {
        lines(&self.open("quality/rejected").await, "source_id, reason").await
    }

    /// Every table of a layer with its version, and its rows where it is published.
    pub(crate) async fn everything(&self) -> BTreeMap<String, (Option<u64>, Vec<String>)> {
        let mut tables = BTreeMap::new();
        for layer in ["silver", "gold", "quality"] {
            for entry in std::fs::read_dir(self.path("out").join(layer)).unwrap() {
                let name = format!("{layer}/{}", entry.unwrap().file_name().to_string_lossy());
                if self.path("out").join(&name).join("_delta_log").exists() {
                    let table = self.open(&name).await;
                    tables.insert(name, (table.version(), lines(&table, "*").await));
                }
            }
        }
        tables
    }

    /// A table of the results.
    pub(crate) async fn open(&self, table: &str) -> DeltaTable {
        let path = self.path("out").join(table);
        let place = Location::parse(&path.to_string_lossy()).unwrap();
        place.open().await.unwrap().unwrap_or_else(|| panic!("{table} holds no Delta table"))
    }

    /// A path inside the lake.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn export(&mut self) {
        self.exports += 1;
        if self.exports == 1 && self.new_rows["custtable"].is_empty() {
            // An export without customers is refused.
            self.add_person(900, "C900", "Zoe", "Zander", json!({}));
        }
        let written = "2026-01-31T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(self.exports);
        let stamp = json!({"versionnumber": self.exports * 100, "sinkmodifiedon": written.to_rfc3339()});
        for (name, mut rows) in std::mem::take(&mut self.new_rows) {
            rows.iter_mut().for_each(|row| fill(row, &stamp));
            self.write(&name, &rows).await;
        }
    }

    async fn write(&self, name: &str, rows: &[Value]) {
        let folder = self.path("export/deltalake").join(name);
        let url = url::Url::from_directory_path(&folder).unwrap();
        let schema = Arc::new(self.schema(name));
        if !folder.exists() {
            std::fs::create_dir_all(&folder).unwrap();
            let columns: StructType = schema.as_ref().try_into_kernel().unwrap();
            CreateBuilder::new().with_location(url.as_str()).with_columns(columns.fields().cloned()).await.unwrap();
        }
        // Strict: a column that is spelled wrong fails the test, instead of being NULL.
        let mut decoder = ReaderBuilder::new(schema).with_strict_mode(true).build_decoder().unwrap();
        decoder.serialize(rows).unwrap();
        if let Some(batch) = decoder.flush().unwrap() {
            let table = DeltaTable::try_from_url(url).await.unwrap();
            let write = table.write([batch]).with_save_mode(SaveMode::Append);
            write.with_schema_mode(SchemaMode::Merge).await.unwrap();
        }
    }

    fn schema(&self, name: &str) -> Schema {
        let columns = self.tables[name].bronze_columns().unwrap();
        let is_text = |column: &str| self.text_columns.contains(&(name.to_owned(), column.to_owned()));
        let data_type =
            |column: &Column| if is_text(&column.name) { DataType::Utf8 } else { column.data_type().unwrap() };
        let listed = columns.iter().map(|column| Field::new(&column.name, data_type(column), true));
        let added = self.new_columns.get(name).into_iter().flatten();
        let added = added.map(|column| Field::new(column, DataType::Utf8, true));
        Schema::new(listed.chain(added).collect::<Vec<_>>())
    }
}

/// Gives a row what it does not say itself.
fn fill(row: &mut Value, defaults: &Value) {
    let row = row.as_object_mut().expect("a row is an object");
    for (column, value) in defaults.as_object().unwrap() {
        row.entry(column).or_insert_with(|| value.clone());
    }
}

/// Columns of a table, as sorted lines.
pub(crate) async fn lines(table: &DeltaTable, columns: &str) -> Vec<String> {
    let session = SessionContext::new();
    table.update_datafusion_session(&session.state()).unwrap();
    let provider = table.table_provider().with_session(Arc::new(session.state())).await.unwrap();
    session.register_table("t", provider).unwrap();
    let rows = session.sql(&format!("select {columns} from t")).await.unwrap();
    let mut lines: Vec<String> = rows.collect().await.unwrap().iter().flat_map(lines_of).collect();
    lines.sort();
    lines
}

fn lines_of(batch: &RecordBatch) -> Vec<String> {
    let columns: Vec<_> = batch.columns().iter().map(cells).collect();
    let line =
        |row: usize| columns.iter().map(|cells: &Vec<String>| cells[row].as_str()).collect::<Vec<_>>().join(" | ");
    (0..batch.num_rows()).map(line).collect()
}

fn cells(column: &ArrayRef) -> Vec<String> {
    let options = FormatOptions::default().with_null("-");
    let format = ArrayFormatter::try_new(column, &options).unwrap();
    let is_decimal = matches!(column.data_type(), DataType::Decimal128(..));
    let cell = |row| {
        let text = format.value(row).to_string();
        if is_decimal { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    (0..column.len()).map(cell).collect()
}
