//! A sample lake in a temporary folder, ready for questions in SQL.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use deltalake::{
    arrow::{
        array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema},
    },
    datafusion::{datasource::MemTable, prelude::SessionContext},
};
use sample_lake::{Format, Options, generate};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

/// A lake that is made in no time and has every sort of dirt in it.
pub(crate) fn small() -> Options {
    Options { customers: 600, lines: 5_000, dirt: 3.0, ..Options::default() }
}

pub(crate) struct Lake {
    folder: TempDir,
}

impl Lake {
    pub(crate) async fn delta(options: Options) -> Self {
        Self::of(Options { format: Format::Delta, ..options }).await
    }

    pub(crate) async fn of(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        generate(folder.path(), options).await.unwrap();
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn url(&self, table: &str) -> Url {
        Url::from_directory_path(self.folder().canonicalize().unwrap().join("deltalake").join(table)).unwrap()
    }

    /// Names of the Delta tables.
    pub(crate) fn tables(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder().join("deltalake")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Columns of a Delta table by lower-case name.
    pub(crate) async fn columns(&self, table: &str) -> BTreeMap<String, DataType> {
        let provider = deltalake::open_table(self.url(table)).await.unwrap().table_provider().await.unwrap();
        let fields = provider.schema();
        fields.fields().iter().map(|field| (field.name().to_lowercase(), plain(field.data_type()))).collect()
    }

    /// Delta tables as they are now: `raw_<table>`, and `present_<table>` for the newest versions without deletes.
    pub(crate) async fn look(&self, tables: &[&str]) -> Look {
        let context = SessionContext::new();
        for table in tables {
            let provider = deltalake::open_table(self.url(table)).await.unwrap().table_provider().await.unwrap();
            context.register_table(format!("raw_{table}"), provider).unwrap();
            let present = present(table, "", r#"coalesce("IsDelete", false)"#);
            context.sql(&present).await.unwrap().collect().await.unwrap();
        }
        Look { context }
    }

    /// The same for the change folders of the CSV form, all columns as texts.
    pub(crate) async fn look_at_csv(&self, tables: &[&str]) -> Look {
        let context = SessionContext::new();
        for (table, columns) in self.model().into_iter().filter(|(table, _)| tables.contains(&table.as_str())) {
            let rows = self.csv_rows(&table, columns.len());
            context.register_table(format!("raw_{table}"), Arc::new(text_table(&columns, &rows))).unwrap();
            let present = present(&table, "folder desc, ", r#""IsDelete" = 'true'"#);
            context.sql(&present).await.unwrap().collect().await.unwrap();
        }
        Look { context }
    }

    /// Tables of `model.json` with their columns.
    pub(crate) fn model(&self) -> Vec<(String, Vec<String>)> {
        let model: Value = serde_json::from_slice(&fs::read(self.folder().join("model.json")).unwrap()).unwrap();
        let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
        let entities = model["entities"].as_array().unwrap();
        entities.iter().map(|e| (name(e), e["attributes"].as_array().unwrap().iter().map(name).collect())).collect()
    }

    /// The change folders that are complete, oldest first.
    pub(crate) fn change_folders(&self) -> Vec<PathBuf> {
        let active = fs::read_to_string(self.folder().join("Changelog/changelog.info")).unwrap();
        let entries = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        let is_change = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("20") && name != active.trim()
        };
        let mut folders: Vec<_> = entries.filter(is_change).collect();
        folders.sort();
        folders
    }

    /// The rows of a table in all complete change folders, each with its folder's name at the end.
    pub(crate) fn csv_rows(&self, table: &str, columns: usize) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        for folder in self.change_folders() {
            for file in files(&folder.join(table)) {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(&file).unwrap();
                for record in reader.records() {
                    let record = record.unwrap();
                    assert_eq!(record.len(), columns, "{}", file.display());
                    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
                    rows.push(record.iter().map(str::to_owned).chain([name]).collect());
                }
            }
        }
        rows
    }
}

/// Every file below a folder and what is in it, without what tells of the hour that it was made in.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().to_owned();
        if name.components().any(|part| part.as_os_str() == "_delta_log") {
            continue;
        }
        // The names of enumeration values are few rows in a file of any name.
        if name.components().any(|part| part.as_os_str() == "GlobalOptionsetMetadata") {
            continue;
        }
        found.insert(name, fs::read(path).unwrap());
    }
    found
}

/// All files below a folder, by name.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn present(table: &str, folder: &str, deleted: &str) -> String {
    format!(
        r#"create view "present_{table}" as select * from (
            select *, {deleted} as gone, row_number() over (
                partition by "Id" order by {folder} cast(nullif(cast(versionnumber as varchar), '') as bigint) desc
                nulls first, {deleted} desc) as place
            from "raw_{table}"
        ) where place = 1 and not gone"#
    )
}

fn text_table(columns: &[String], rows: &[Vec<String>]) -> MemTable {
    let names = columns.iter().map(String::as_str).chain(["folder"]);
    let schema = Arc::new(Schema::new(names.map(|name| Field::new(name, DataType::Utf8, false)).collect::<Vec<_>>()));
    let column =
        |place: usize| -> ArrayRef { Arc::new(rows.iter().map(|row| Some(&row[place])).collect::<StringArray>()) };
    let batch = RecordBatch::try_new(Arc::clone(&schema), (0..=columns.len()).map(column).collect()).unwrap();
    MemTable::try_new(schema, vec![vec![batch]]).unwrap()
}

/// Engines read texts as views of texts.
fn plain(kind: &DataType) -> DataType {
    if *kind == DataType::Utf8View { DataType::Utf8 } else { kind.clone() }
}

/// The tables of a lake at one moment.
pub(crate) struct Look {
    context: SessionContext,
}

impl Look {
    /// The first number of an answer.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        let answer = self.context.sql(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let answer = answer.collect().await.unwrap();
        let numbers = answer[0].column(0).as_any().downcast_ref::<Int64Array>().unwrap();
        assert!(numbers.is_valid(0), "no number: {sql}");
        numbers.value(0)
    }
}
