//! Synapse Link's change folders: `<time>/<table>/*.csv`, always appended to, described by `model.json`.
//! <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>

mod files;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime};
use deltalake::arrow::array::{ArrayRef, TimestampMicrosecondArray};
use deltalake::arrow::compute::kernels::cast_utils::string_to_datetime;
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::error::Result as QueryResult;
use deltalake::datafusion::logical_expr::conditional_expressions::CaseBuilder;
use deltalake::datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};
use deltalake::datafusion::prelude::{DataFrame, SessionContext, col, ident, lit};
use deltalake::{ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use self::files::CsvFiles;
use super::model::{Entity, Model};
use super::{Location, Position, conform};
use crate::error::{Error, Result, Trying};
use crate::sql::{SourceTable, Sources, utc_timestamp};

/// A table of the change folders.
#[derive(Debug)]
pub(super) struct CsvSource {
    lake: Location,
    entity: Entity,
    /// Its files by change folder, the one still being written left out, each with the number of its columns.
    files: Vec<ChangeFile>,
    last_folder: String,
}

#[derive(Clone, Debug)]
struct ChangeFile {
    folder: String,
    meta: ObjectMeta,
    columns: usize,
}

impl CsvSource {
    /// The tables of the change folders; none if there is no `model.json`.
    pub(super) async fn discover(lake: &Location, wanted: &Sources) -> Result<BTreeMap<String, Self>> {
        let Some(model) = Model::read(lake, "model.json").await? else { return Ok(BTreeMap::new()) };
        let folders = finished_folders(lake).await?;
        // A column that was added later stands in the model that lies in the newest folder.
        let newest = match folders.last() {
            Some((_, folder)) => Model::read(lake, &format!("{folder}/model.json")).await?,
            None => None,
        };
        let last_folder = folders.last().map(|(key, _)| key.clone()).unwrap_or_default();
        let mut tables = BTreeMap::new();
        for table in &wanted.tables {
            let entity =
                newest.as_ref().and_then(|model| model.entity(&table.name)).or_else(|| model.entity(&table.name));
            let Some(entity) = entity else { continue };
            let files = change_files(lake, &folders, &table.name, entity).await?;
            let source = Self { lake: lake.clone(), entity: entity.clone(), files, last_folder: last_folder.clone() };
            tables.insert(table.name.clone(), source);
        }
        Ok(tables)
    }

    pub(super) fn position(&self) -> Position {
        Position::Csv { folder: self.last_folder.clone() }
    }

    pub(super) fn since(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        folder: Option<&str>,
    ) -> Result<DataFrame> {
        let what = format!("read {}", table.name);
        self.text(session, folder)?
            .into_iter()
            .map(|rows| {
                let mut columns = conform::columns(rows.schema().as_arrow(), table)?;
                columns.push(col("lakefolder"));
                rows.select(columns).trying(&what)
            })
            .reduce(|one, other| one?.union(other?).trying(&what))
            .unwrap_or_else(|| {
                let empty = self.empty(session)?;
                let mut columns = conform::columns(empty.schema().as_arrow(), table)?;
                columns.push(lit("").alias("lakefolder"));
                empty.select(columns).trying(&what)
            })
    }

    /// Each row with a value that its column's type does not take, and the first such column.
    pub(super) fn unreadable(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        folder: Option<&str>,
    ) -> Result<DataFrame> {
        let what = format!("look for unreadable values in {}", table.name);
        let mut parts = Vec::new();
        for rows in self.text(session, folder)? {
            let schema = rows.schema().as_arrow().clone();
            let Some(id) = conform::source_column(&schema, "id").map(|field| field.name().clone()) else { continue };
            let (mut unreadable, mut names) = (Vec::new(), Vec::new());
            for column in table.bronze_columns()? {
                let kind = column.data_type()?;
                let Some(found) = conform::source_column(&schema, &column.name) else { continue };
                if conform::is_text(&kind) {
                    continue;
                }
                let text = ident(found.name());
                unreadable.push(text.clone().not_eq(lit("")).and(conform::from_text(text, &kind)?.is_null()));
                names.push(lit(column.name.clone()));
            }
            if !names.is_empty() {
                let found = CaseBuilder::new(None, unreadable, names, None)
                    .end()
                    .and_then(|name| rows.select(vec![ident(id).alias("id"), name.alias("column_name")]))
                    .and_then(|rows| rows.filter(col("column_name").is_not_null()));
                parts.push(found.trying(&what)?);
            }
        }
        let all = parts.into_iter().map(Ok).reduce(|one: QueryResult<DataFrame>, other| one?.union(other?));
        match all {
            Some(rows) => rows.trying(&what),
            None => self.empty(session)?.select(vec![lit("").alias("id"), lit("").alias("column_name")]).trying(&what),
        }
    }

    /// The files as text, one frame for each number of columns: an export adds columns at the end, so older files are shorter.
    fn text(&self, session: &SessionContext, after: Option<&str>) -> Result<Vec<DataFrame>> {
        let names = self.entity.columns();
        let mut by_width: BTreeMap<usize, Vec<(String, ObjectMeta)>> = BTreeMap::new();
        for file in self.files.iter().filter(|file| after.is_none_or(|after| file.folder.as_str() > after)) {
            if file.columns > names.len() {
                return Err(Error::Export(format!(
                    "{}{} has {} columns, and model.json names {}: read again once the model has caught up",
                    self.lake,
                    file.meta.location,
                    file.columns,
                    names.len()
                )));
            }
            by_width.entry(file.columns).or_default().push((file.folder.clone(), file.meta.clone()));
        }
        let log_store = self.lake.log_store()?;
        let store = log_store.object_store_url();
        session.runtime_env().register_object_store(store.as_ref(), log_store.object_store(None));
        by_width
            .into_iter()
            .map(|(width, files)| {
                let fields: Vec<_> = names[..width].iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
                let provider = CsvFiles::new(store.clone(), Schema::new(fields), files, &self.entity);
                session.read_table(Arc::new(provider)).trying("read change folders")
            })
            .collect()
    }

    fn empty(&self, session: &SessionContext) -> Result<DataFrame> {
        let fields: Vec<_> = self.entity.columns().iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
        let batch = deltalake::arrow::array::RecordBatch::new_empty(Arc::new(Schema::new(fields)));
        session.read_batch(batch).trying("make an empty table")
    }
}

/// Change folders that are written no more, oldest first, as (sortable name, name).
async fn finished_folders(lake: &Location) -> Result<Vec<(String, String)>> {
    let mut folders: Vec<(String, String)> =
        lake.folders("").await?.into_iter().filter_map(|folder| Some((folder_key(&folder)?, folder))).collect();
    folders.sort();
    // <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>: the file names the
    // folder still being written. Without it, any folder may be that one only if it is the newest.
    let active = lake
        .read("Changelog/changelog.info")
        .await?
        .and_then(|text| folder_key(text.trim().trim_matches(['"', '/', '\u{feff}'])));
    match active {
        Some(active) => folders.retain(|(key, _)| *key < active),
        None => drop(folders.pop()),
    }
    Ok(folders)
}

/// A change folder's name with the same separators everywhere, so that names sort by time; `None` for other folders.
/// Documentation writes colons (`2026-11-22T05:00:00.123Z`), exports have been seen with dots (`2026-11-22T05.00.00Z`).
fn folder_key(name: &str) -> Option<String> {
    let (date, time) = name.split_once('T')?;
    chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let digits: Vec<&str> = time.trim_end_matches(['Z', 'z']).split([':', '.', '-']).collect();
    let all_digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() < 3 || !digits.iter().all(all_digits) {
        return None;
    }
    let fraction = digits.get(3).copied().unwrap_or("0");
    Some(format!("{date}T{}:{}:{}.{fraction:0<7}", digits[0], digits[1], digits[2]))
}

async fn change_files(
    lake: &Location,
    folders: &[(String, String)],
    table: &str,
    entity: &Entity,
) -> Result<Vec<ChangeFile>> {
    let store = lake.store()?;
    let mut found = Vec::new();
    for (key, folder) in folders {
        let listed = store.list(Some(&Path::from(format!("{folder}/{table}"))));
        let files: Vec<ObjectMeta> = listed.try_collect().await.trying(format!("list {lake}{folder}/{table}"))?;
        let csv =
            files.into_iter().filter(|meta| meta.size > 0 && meta.location.as_ref().to_lowercase().ends_with(".csv"));
        found.extend(csv.map(|meta| (key.clone(), meta)));
    }
    let measured = futures::stream::iter(found).map(|(folder, meta)| {
        let store = Arc::clone(&store);
        let delimiter = entity.delimiter();
        async move {
            let what = format!("read {lake}{}", meta.location);
            let head = store.get_range(&meta.location, 0..meta.size.min(256 * 1024)).await.trying(&what)?;
            let mut reader =
                ::csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(head.as_ref());
            let columns = reader.records().next().and_then(Result::ok).map_or(0, |record| record.len());
            Ok(ChangeFile { folder, meta, columns })
        }
    });
    let mut files: Vec<ChangeFile> = measured.buffered(16).try_collect().await?;
    files.sort_by(|a, b| (&a.folder, &a.meta.location).cmp(&(&b.folder, &b.meta.location)));
    Ok(files)
}

/// Reads times as text: ISO 8601, or as an American writes them; what is neither is NULL. Without an offset it is UTC.
pub(super) fn lake_timestamp() -> ScalarUDF {
    let read = |values: &[ColumnarValue]| -> QueryResult<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(values)?;
        let text = deltalake::arrow::compute::cast(&arrays[0], &DataType::Utf8)?;
        let times: TimestampMicrosecondArray =
            as_string_array(&text)?.iter().map(|text| text.and_then(micros)).collect();
        Ok(ColumnarValue::Array(Arc::new(times.with_timezone("UTC")) as ArrayRef))
    };
    create_udf("lake_timestamp", vec![DataType::Utf8], utc_timestamp(), Volatility::Immutable, Arc::new(read))
}

fn micros(text: &str) -> Option<i64> {
    if let Ok(time) = string_to_datetime(&chrono::Utc, text) {
        return Some(time.timestamp_micros());
    }
    ["%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y"]
        .iter()
        .find_map(|form| {
            let time = NaiveDateTime::parse_from_str(text, form).ok();
            time.or_else(|| chrono::NaiveDate::parse_from_str(text, form).ok()?.and_hms_opt(0, 0, 0))
        })
        .map(|time| time.and_utc().timestamp_micros())
        .or_else(|| DateTime::parse_from_rfc2822(text).ok().map(|time| time.timestamp_micros()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_by_time_whatever_their_separators() {
        let dots = folder_key("2026-11-22T05.00.00Z").unwrap();
        let colons = folder_key("2026-11-22T05:00:00.1230000Z").unwrap();
        assert!(dots < colons);
        assert_eq!(folder_key("deltalake"), None);
        assert_eq!(folder_key("OptionsetMetadata"), None);
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(micros("2026-01-02T03:04:05.0000000Z"), Some(1_767_323_045_000_000));
        assert_eq!(micros("1/2/2026 3:04:05 AM"), Some(1_767_323_045_000_000));
        assert_eq!(micros("1900-01-01 00:00:00"), Some(-2_208_988_800_000_000));
        assert_eq!(micros("yesterday"), None);
    }
}
