//! Which customer has which contact, as far as it is known: a Delta table to which each batch is added when it is done.
//!
//! A run that is killed loses the batch under way, and repeating that is harmless. The newest row of a customer counts.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use deltalake::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use deltalake::arrow::datatypes::{DataType as ArrowType, Field, Schema, TimeUnit};
use deltalake::datafusion::datasource::{MemTable, TableProvider};
use deltalake::datafusion::prelude::SessionContext;
use deltalake::kernel::{DataType, PrimitiveType, StructField};
use deltalake::protocol::SaveMode;
use deltalake::{DeltaTable, DeltaTableError};
use url::Url;

use super::SyncError;
use super::reconcile::{Fate, Outcome};

/// The name under which queries find the newest row of each customer.
pub(super) const STATE: &str = "contacts_state";
const HISTORY: &str = "contacts_history";

/// Files from which on a run puts the table together at its end.
const MANY_FILES: usize = 16;

/// `outcome` of a customer who is no longer in gold.
pub(super) const VANISHED: &str = "vanished";

/// The state table.
pub(super) struct State {
    location: Url,
    options: HashMap<String, String>,
    /// `None` until there is something to remember.
    table: Option<DeltaTable>,
    run: i64,
}

/// The table at a location; `None` if there is none. Makes no folders.
pub(super) async fn open_table(
    location: &Url,
    options: &HashMap<String, String>,
) -> Result<Option<DeltaTable>, SyncError> {
    if location.to_file_path().is_ok_and(|folder| !folder.exists()) {
        return Ok(None);
    }
    let table = DeltaTable::try_from_url_with_storage_options(location.clone(), options.clone()).await?;
    Ok(table.version().is_some().then_some(table))
}

/// A customer who is no longer in gold.
pub(super) struct Vanished {
    pub(super) customer: String,
    pub(super) contact: Option<String>,
}

impl State {
    /// Opens the table, which need not exist, and makes its newest rows known to `session` as [`STATE`].
    pub(super) async fn open(
        location: Url,
        options: HashMap<String, String>,
        session: &SessionContext,
    ) -> Result<Self, SyncError> {
        let table = open_table(&location, &options).await?;
        let mut state = Self { location, options, table, run: 1 };
        session.register_table(HISTORY, state.rows().await?)?;
        let newest = format!("create view {STATE} as {}", newest());
        session.sql(&newest).await?.collect().await?;
        let last = session.sql(&format!("select max(run) as run from {HISTORY}")).await?.collect().await?;
        let last =
            last.first().and_then(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>()?.iter().next()?);
        state.run = last.unwrap_or_default() + 1;
        Ok(state)
    }

    async fn rows(&self) -> Result<Arc<dyn TableProvider>, SyncError> {
        match &self.table {
            Some(table) => Ok(table.table_provider().await?),
            None => Ok(Arc::new(MemTable::try_new(schema(), vec![vec![]])?)),
        }
    }

    /// Remembers what became of these customers.
    pub(super) async fn add(&mut self, outcomes: &[Outcome], now: DateTime<Utc>) -> Result<(), SyncError> {
        let rows: Vec<Row<'_>> = outcomes.iter().map(Row::of).collect();
        self.append(&rows, now).await
    }

    /// Remembers that these customers are gone.
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
        self.table = Some(table.write([batch]).with_save_mode(SaveMode::Append).await?);
        Ok(())
    }

    async fn create(&self) -> Result<DeltaTable, SyncError> {
        if let Ok(folder) = self.location.to_file_path() {
            std::fs::create_dir_all(folder).map_err(DeltaTableError::from)?;
        }
        let table = DeltaTable::try_from_url_with_storage_options(self.location.clone(), self.options.clone()).await?;
        Ok(table.create().with_columns(columns()).with_save_mode(SaveMode::Ignore).await?)
    }

    /// Keeps the newest row of each customer only, once the table is in many pieces.
    /// `session` is one in which nothing is registered.
    pub(super) async fn tidy(&mut self, session: &SessionContext) -> Result<(), SyncError> {
        let Some(table) = self.table.clone() else { return Ok(()) };
        if table.get_file_uris()?.count() < MANY_FILES {
            return Ok(());
        }
        session.register_table(HISTORY, self.rows().await?)?;
        let plan = session.sql(&newest()).await?.into_unoptimized_plan();
        let write = table.write([]).with_save_mode(SaveMode::Overwrite);
        let table = write.with_input_plan(plan).with_session_state(Arc::new(session.state())).await?;
        // Pieces that were put together more than a week ago.
        let (table, _) = table.vacuum().await?;
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
    fn of(outcome: &'a Outcome) -> Self {
        let (name, settled, detail) = match &outcome.fate {
            Fate::Created => ("created", true, None),
            Fate::Linked(_) => ("linked", true, None),
            Fate::Updated(_) => ("updated", true, None),
            Fate::Equal => ("equal", true, None),
            Fate::Left(reason, detail) => (reason.name(), false, detail.as_deref()),
        };
        let contact = outcome.contact.map(|contact| contact.to_string());
        Self { customer: &outcome.customer, contact, content: &outcome.content, outcome: name, settled, detail }
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
    Ok(RecordBatch::try_new(schema(), columns).map_err(DeltaTableError::from)?)
}
