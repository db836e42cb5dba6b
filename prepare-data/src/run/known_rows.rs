//! Change folders contain only what is new. An older version of a row, or the row under a delete, can come again in a later
//! folder. So new rows are ranked together with what is known of the same ids: the stored rows and the recorded deletes.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::array::{Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use deltalake::arrow::datatypes::{DataType, Field, Schema};
use deltalake::datafusion::prelude::SessionContext;

use super::context::Run;
use super::inputs::rows_of;
use crate::engine::{materialize, register, sql, with_dynamic_filters};
use crate::error::{Context, Result};
use crate::lake::Deleted;
use crate::sql::{SourceTable, utc_timestamp};

/// Adds what is known of the ids in `bronze_<table>` to that table, with an empty `lakefolder`.
pub(super) async fn add_known(
    run: &Run<'_>,
    session: &SessionContext,
    table: &SourceTable,
    base: &DeltaTable,
    deletes: &BTreeMap<String, Deleted>,
) -> Result<()> {
    let (name, bronze) = (&table.name, format!("bronze_{}", table.name));
    register(session, "stored", rows_of(run, base).await?)?;
    let deletes = session.read_batch(batch(deletes)?).context("read the recorded deletes")?;
    register(session, "recorded_deletes", deletes.into_view())?;
    materialize(session, "new_ids", sql(session, name, &format!("select distinct id as new_id from {bronze}")).await?)
        .await?;
    let new = columns(table, "new_rows", |_| None)?;
    let stored = columns(table, "stored", |column| (column == "isdelete").then_some("false"))?;
    let deleted = columns(table, "recorded_deletes", |column| (column == "isdelete").then_some("true"))?;
    let statement = format!(
        "select {new}, lakefolder from {bronze} new_rows \
         union all select {stored}, '' from stored left semi join new_ids on new_ids.new_id = stored.id \
         union all select {deleted}, '' from recorded_deletes left semi join new_ids on new_ids.new_id = recorded_deletes.id"
    );
    let all = with_dynamic_filters(sql(session, name, &statement).await?);
    materialize(session, &bronze, all).await.map(drop)
}

/// Of the current rows, keeps those that are new. `resolved` are all current rows, `kept_ids` those that stay as they are.
pub(super) async fn keep_new(session: &SessionContext, name: &str) -> Result<()> {
    let current = format!("current_{name}");
    let all = session.table(&current).await.context("read current rows")?;
    materialize(session, "resolved", all).await?;
    materialize(session, "kept_ids", sql(session, name, "select id from resolved where lakefolder = ''").await?)
        .await?;
    let new = sql(session, name, "select * from resolved where lakefolder <> ''").await?;
    register(session, &current, new.into_view())
}

/// The columns of bronze. `recorded_deletes` and `stored` have the id, the version and the time; the rest is NULL there.
fn columns(table: &SourceTable, from: &str, constant: impl Fn(&str) -> Option<&'static str>) -> Result<String> {
    let mut columns = Vec::new();
    for column in table.bronze_columns()? {
        let (name, kind) = (&column.name, column.data_type()?);
        let is_stamp = ["id", "versionnumber", "sinkmodifiedon"].contains(&name.as_str());
        columns.push(match constant(name) {
            Some(value) => format!("{value} as {name}"),
            None if is_stamp || from == "new_rows" => format!("{from}.{name}"),
            None => format!("arrow_cast(null, '{kind}') as {name}"),
        });
    }
    Ok(columns.join(", "))
}

fn batch(deletes: &BTreeMap<String, Deleted>) -> Result<RecordBatch> {
    let field = |name: &str, kind| Field::new(name, kind, true);
    let schema = Schema::new(vec![
        field("id", DataType::Utf8),
        field("versionnumber", DataType::Int64),
        field("sinkmodifiedon", utc_timestamp()),
    ]);
    let ids: StringArray = deletes.keys().map(Some).collect();
    let versions: Int64Array = deletes.values().map(|deleted| deleted.version).collect();
    let written: TimestampMicrosecondArray = deletes.values().map(|deleted| deleted.written).collect();
    let columns = vec![Arc::new(ids) as _, Arc::new(versions) as _, Arc::new(written.with_timezone("UTC")) as _];
    RecordBatch::try_new(Arc::new(schema), columns)
        .map_err(deltalake::DeltaTableError::from)
        .context("make a table of the recorded deletes")
}
