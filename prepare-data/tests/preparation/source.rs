//! Tables of an export as they are, for computations that share nothing with the SQL files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use deltalake::arrow::json::ArrayWriter;
use deltalake::datafusion::prelude::SessionContext;
use serde_json::{Map, Value};

use crate::lake::open;

/// A row by lower-case column names.
#[derive(Debug, Clone)]
pub(crate) struct Row(BTreeMap<String, Value>);

impl Row {
    /// Text without spaces around it; `None` if there is none.
    pub(crate) fn text(&self, column: &str) -> Option<String> {
        let text = self.0.get(column)?.as_str()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }

    pub(crate) fn lower(&self, column: &str) -> Option<String> {
        self.text(column).map(|text| text.to_lowercase())
    }

    pub(crate) fn number(&self, column: &str) -> Option<i64> {
        self.0.get(column)?.as_i64()
    }

    pub(crate) fn flag(&self, column: &str) -> bool {
        self.0.get(column).is_some_and(|value| value.as_bool().unwrap_or_else(|| value.as_i64() == Some(1)))
    }

    /// A decimal, in hundredths.
    pub(crate) fn hundredths(&self, column: &str) -> Option<i64> {
        let value = self.0.get(column)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
        #[allow(clippy::cast_possible_truncation)] // amounts of a sample
        Some((number * 100.0).round() as i64)
    }

    /// A time; `None` for 1900-01-01, which means "no time".
    pub(crate) fn time(&self, column: &str) -> Option<DateTime<Utc>> {
        let time: DateTime<Utc> = self.0.get(column)?.as_str()?.parse().unwrap();
        (time.timestamp() > -2_208_988_800).then_some(time)
    }

    /// When a transaction of a till began.
    pub(crate) fn began(&self) -> Option<DateTime<Utc>> {
        let seconds = TimeDelta::seconds(self.number("transtime").unwrap_or(0));
        self.time("begindatetime").or_else(|| Some(self.time("transdate")? + seconds))
    }
}

/// All rows of a Delta table.
pub(crate) async fn rows(path: &Path) -> Vec<Row> {
    let table = open(path).await;
    let session = SessionContext::new();
    table.update_datafusion_session(&session.state()).unwrap();
    let provider = table.table_provider().with_session(Arc::new(session.state())).await.unwrap();
    let batches = session.read_table(provider).unwrap().collect().await.unwrap();
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let rows: Vec<Map<String, Value>> = serde_json::from_slice(&writer.into_inner()).unwrap_or_default();
    let lower =
        |row: Map<String, Value>| Row(row.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect());
    rows.into_iter().map(lower).collect()
}

/// The rows of a table of a Delta export that are there now: of each id the newest version, unless it says deleted.
pub(crate) async fn present(export: &Path, table: &str) -> Vec<Row> {
    let mut newest: BTreeMap<String, Row> = BTreeMap::new();
    let order = |row: &Row| (row.number("versionnumber"), row.time("sinkmodifiedon"), row.flag("isdelete"));
    for row in rows(&export.join("deltalake").join(table)).await {
        let id = row.text("id").unwrap();
        if newest.get(&id).is_none_or(|known| order(known) < order(&row)) {
            newest.insert(id, row);
        }
    }
    newest.into_values().filter(|row| !row.flag("isdelete")).collect()
}
