//! Which customer has which contact: a Delta table to which each completed batch is appended.
//!
//! A killed run loses its current batch. Repeating it is harmless. The newest row of a customer is valid.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use deltalake::arrow::datatypes::{DataType as ArrowType, Field, Schema, TimeUnit};
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::SessionContext;
use deltalake::kernel::{DataType, PrimitiveType, StructField};
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};

use super::error::SyncError;
use super::reconcile::{CustomerResult, SyncOutcome};
use crate::engine::{register, sql};
use crate::error::{Context as _, Result as LakeResult};
use crate::location::Location;

/// The name under which queries find the newest row of each customer.
pub(super) const STATE: &str = "contacts_state";
const HISTORY: &str = "contacts_history";

/// With this many files, a run merges the table at its end.
const MANY_FILES: usize = 16;

/// `outcome` of a customer who is no longer in gold.
pub(super) const VANISHED: &str = "vanished";

/// The state table.
pub(super) struct State {
    location: Location,
    /// `None` before the first row.
    table: Option<DeltaTable>,
    run: i64,
}

/// Registers the rows of a table.
pub(super) async fn register_rows(session: &SessionContext, name: &str, table: &DeltaTable) -> LakeResult<()> {
    let provider = table.table_provider().with_session(Arc::new(session.state()));
    register(session, name, provider.await.context(format!("read {name}"))?)
}

/// A customer who is no longer in gold.
pub(super) struct Vanished {
    pub(super) customer: String,
    pub(super) contact: Option<String>,
}

impl State {
    /// Opens the table, if it exists, and registers its newest rows as [`STATE`].
    pub(super) async fn open(location: Location, session: &SessionContext) -> Result<Self, SyncError> {
        let table = location.open().await?;
        let mut state = Self { location, table, run: 1 };
        state.register(session).await?;
        register(session, STATE, sql(session, STATE, &newest()).await?.into_view())?;
        let last = sql(session, HISTORY, &format!("select max(run) as run from {HISTORY}")).await?;
        let last = last.collect().await.context("read the state table")?;
        let last =
            last.first().and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>()?.iter().next()?);
        state.run = last.unwrap_or_default() + 1;
        Ok(state)
    }

    /// Registers all rows as [`HISTORY`].
    async fn register(&self, session: &SessionContext) -> LakeResult<()> {
        match &self.table {
            Some(table) => register_rows(session, HISTORY, table).await,
            None => {
                let empty = MemTable::try_new(schema(), vec![vec![]]).context("make an empty table")?;
                register(session, HISTORY, Arc::new(empty))
            }
        }
    }

    /// Stores the results of these customers.
    pub(super) async fn add(&mut self, results: &[CustomerResult], now: DateTime<Utc>) -> Result<(), SyncError> {
        let rows: Vec<Row<'_>> = results.iter().map(Row::of).collect();
        self.append(&rows, now).await
    }

    /// Stores that these customers are no longer in gold.
    pub(super) async fn add_vanished(&mut self, vanished: &[Vanished], now: DateTime<Utc>) -> Result<(), SyncError> {
        let rows: Vec<Row<'_>> = vanished.iter().map(Row::gone).collect();
        self.append(&rows, now).await
    }

    async fn append(&mut self, rows: &[Row<'_>], now: DateTime<Utc>) -> Result<(), SyncError> {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = batch(rows, self.run, now)?;
        let table = match self.table.take() {
            Some(table) => table,
            None => self.create().await?,
        };
        let written = table.write([batch]).with_save_mode(SaveMode::Append).await;
        self.table = Some(written.context("write the state table")?);
        Ok(())
    }

    async fn create(&self) -> Result<DeltaTable, SyncError> {
        self.location.create()?;
        let table = self.location.table()?.build().context("open the state table")?;
        let created = table.create().with_columns(columns()).with_save_mode(SaveMode::Ignore).await;
        Ok(created.context("create the state table")?)
    }

    /// Keeps only the newest row of each customer, if the table has many files.
    pub(super) async fn maintain(&mut self, session: &SessionContext) -> Result<(), SyncError> {
        let Some(table) = self.table.clone() else { return Ok(()) };
        if table.get_file_uris().context("list files")?.count() < MANY_FILES {
            return Ok(());
        }
        self.register(session).await?;
        let plan = sql(session, HISTORY, &newest()).await?.into_unoptimized_plan();
        let write = table.write([]).with_save_mode(SaveMode::Overwrite);
        let table = write.with_input_plan(plan).with_session_state(Arc::new(session.state())).await;
        let table = table.context("merge the state table")?;
        // Files that were replaced more than a week ago.
        let (table, _) = table.vacuum().await.context("vacuum the state table")?;
        self.table = Some(table);
        Ok(())
    }
}

/// The query for the newest row of each customer.
fn newest() -> String {
    let columns = columns().iter().map(|column| column.name().clone()).collect::<Vec<_>>().join(", ");
    format!(
        "select {columns} from (
            select *, row_number() over (partition by customer_id order by run desc, synced_at desc) as place from {HISTORY}
        ) ranked where place = 1"
    )
}

/// A row to be added.
struct Row<'a> {
    customer: &'a str,
    contact: Option<String>,
    content: &'a str,
    outcome: &'static str,
    settled: bool,
    detail: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn of(result: &'a CustomerResult) -> Self {
        let (name, settled, detail) = match &result.outcome {
            SyncOutcome::Created => ("created", true, None),
            SyncOutcome::Linked(_) => ("linked", true, None),
            SyncOutcome::Updated(_) => ("updated", true, None),
            SyncOutcome::Equal => ("equal", true, None),
            SyncOutcome::Left(reason, detail) => (reason.name(), reason.is_settled(), detail.as_deref()),
        };
        let contact = result.contact.map(|contact| contact.to_string());
        Self { customer: &result.customer, contact, content: &result.content, outcome: name, settled, detail }
    }

    fn gone(vanished: &'a Vanished) -> Self {
        let contact = vanished.contact.clone();
        Self { customer: &vanished.customer, contact, content: "", outcome: VANISHED, settled: false, detail: None }
    }
}

const TEXT: PrimitiveType = PrimitiveType::String;

fn columns() -> Vec<StructField> {
    let columns = [
        ("customer_id", TEXT, false),
        ("contact_id", TEXT, true),
        ("content", TEXT, false),
        ("outcome", TEXT, false),
        ("detail", TEXT, true),
        ("settled", PrimitiveType::Boolean, false),
        ("run", PrimitiveType::Long, false),
        ("synced_at", PrimitiveType::Timestamp, false),
    ];
    columns.into_iter().map(|(name, kind, null)| StructField::new(name, DataType::Primitive(kind), null)).collect()
}

fn schema() -> Arc<Schema> {
    let text = |name, null| Field::new(name, ArrowType::Utf8, null);
    let time = ArrowType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        text("customer_id", false),
        text("contact_id", true),
        text("content", false),
        text("outcome", false),
        text("detail", true),
        Field::new("settled", ArrowType::Boolean, false),
        Field::new("run", ArrowType::Int64, false),
        Field::new("synced_at", time, false),
    ]))
}

fn batch(rows: &[Row<'_>], run: i64, now: DateTime<Utc>) -> Result<RecordBatch, SyncError> {
    let text = |value: fn(&Row<'_>) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(value).collect::<StringArray>())
    };
    let settled: BooleanArray = rows.iter().map(|row| Some(row.settled)).collect();
    let columns: Vec<ArrayRef> = vec![
        text(|row| Some(row.customer.to_owned())),
        text(|row| row.contact.clone()),
        text(|row| Some(row.content.to_owned())),
        text(|row| Some(row.outcome.to_owned())),
        text(|row| row.detail.map(str::to_owned)),
        Arc::new(settled),
        Arc::new(Int64Array::from(vec![run; rows.len()])),
        Arc::new(TimestampMicrosecondArray::from(vec![now.timestamp_micros(); rows.len()]).with_timezone("UTC")),
    ];
    Ok(RecordBatch::try_new(schema(), columns)
        .map_err(DeltaTableError::from)
        .context("make rows of the state table")?)
}
