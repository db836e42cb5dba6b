//! Prepares a commit: writes the files that it names, and commits when told to. Until then no reader sees anything, and
//! a process that dies leaves files that no table names, which upkeep removes.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::{Int64Type, Schema, SchemaRef};
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, MetadataExt, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde::Serialize;

use super::contract::{check_schema, check_table, written_schema};
use super::keys::{KeyFault, KeyLedger};
use super::row_hash::row_hash;
use super::write::Destination;
use crate::engine::{Engine, in_memory, keep, register, sql};
use crate::error::{Result, Trying};
use crate::lake::Location;

/// What a commit does to the rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Rows before.
    pub before: u64,
    /// Rows after.
    pub after: u64,
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that are different.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
}

/// Prepares the commits of one table.
#[derive(Clone, Debug)]
pub struct Stager {
    engine: Engine,
    location: Location,
    name: String,
    key: String,
    about: String,
}

/// A commit that waits to be made.
#[derive(Debug)]
pub struct Staged {
    /// What it does to the rows.
    pub counts: Counts,
    /// What is wrong with the keys of the rows that it writes.
    pub keys: KeyFault,
    /// Whether the columns change, which makes Customer Insights - Data read everything again.
    pub columns_change: bool,
    /// The rows that change, as they were and as they will be; `None` if all of them do.
    pub images: Option<Arc<MemTable>>,
    stager: Stager,
    base: Option<DeltaTable>,
    schema: SchemaRef,
    actions: Vec<Action>,
}

/// Customer Insights - Data needs every version since its last refresh, and the files of each: it is advised to keep fifteen
/// days. <https://learn.microsoft.com/dynamics365/customer-insights/data/connect-delta-lake>
const PROPERTIES: [(&str, &str); 2] =
    [("delta.logRetentionDuration", "interval 60 days"), ("delta.deletedFileRetentionDuration", "interval 30 days")];

impl Stager {
    /// For the table in a folder, whose rows are told apart by `key`.
    pub fn new(engine: &Engine, location: Location, name: &str, key: &str, about: &str) -> Self {
        Self { engine: engine.clone(), location, name: name.to_owned(), key: key.to_owned(), about: about.to_owned() }
    }

    /// All rows anew: the table does not exist, or its columns change.
    ///
    /// # Errors
    /// The rows cannot be computed or written, or could not be read by Customer Insights - Data.
    pub async fn replace(&self, base: Option<DeltaTable>, rows: DataFrame) -> Result<Staged> {
        let schema = written_schema(rows.schema().as_arrow());
        check_schema(&self.name, &schema)?;
        self.location.create()?;
        let destination = self.destination(Arc::clone(&schema));
        let (files, count) = destination.write(rows).await?;
        let before = base.as_ref().map_or(Ok(0), row_count)?;
        let mut actions = Vec::new();
        if let Some(table) = &base {
            let state = table.snapshot().trying("list files")?;
            actions.extend(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))));
        }
        actions.extend(files.into_iter().map(Action::Add));
        let counts = Counts { before, after: count, inserted: count, updated: 0, deleted: before };
        Ok(self.staged(base, schema, actions, counts, &destination, None))
    }

    /// Whatever differs between the table and the rows; `None` if nothing does.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn difference(&self, base: DeltaTable, rows: DataFrame) -> Result<Option<Staged>> {
        let wanted = written_schema(rows.schema().as_arrow());
        if *table_schema(&base)? != *wanted {
            return self.replace(Some(base), rows).await.map(Some);
        }
        let session = self.session(&base, None).await?;
        session.register_udf(row_hash());
        register(&session, "wanted", rows.into_view())?;
        let columns = names(&wanted);
        let key = &self.key;
        let affected = sql(
            &session,
            &self.name,
            &format!(
                "select coalesce(wanted.{key}, present.{key}) as key \
                 from (select {key}, row_hash({hashed}) as hash from wanted) wanted \
                 full join (select {key}, row_hash({hashed}) as hash from present) present on present.{key} = wanted.{key} \
                 where wanted.hash is distinct from present.hash",
                hashed = casts(&wanted),
            ),
        )
        .await?;
        if keep(&session, "affected", affected).await? == 0 {
            return Ok(None);
        }
        let upserts = sql(
            &session,
            &self.name,
            &format!("select {columns} from wanted left semi join affected on affected.key = wanted.{key}"),
        )
        .await?;
        let affected = sql(&session, &self.name, "select key from affected").await?;
        self.changes(base, upserts, affected).await
    }

    /// What the table lacks of the rows with certain keys: `rows` holds all that there ought to be of them. `None` if
    /// nothing changes.
    ///
    /// # Errors
    /// As [`Self::replace`].
    pub async fn changes(&self, base: DeltaTable, rows: DataFrame, affected: DataFrame) -> Result<Option<Staged>> {
        let schema = table_schema(&base)?;
        if *schema != *written_schema(rows.schema().as_arrow()) {
            return Err(crate::Error::Catalog(format!("the columns of {} changed within a run", self.name)));
        }
        let session = self.session(&base, None).await?;
        keep(&session, "wanted", rows).await?;
        if keep(&session, "affected", affected).await? == 0 {
            return Ok(None);
        }
        let key = self.key.clone();
        let ask = async |statement: String| sql(&session, &self.name, &statement).await;
        let places = ask(format!(
            "select {key} as key, file from present left semi join affected on affected.key = present.{key}"
        ));
        keep(&session, "places", places.await?).await?;
        let touched = texts(ask("select distinct file from places".to_owned()).await?).await?;
        let some = self.session(&base, Some(touched)).await?;
        register(&session, "candidates", some.table_provider("present").await.trying("read files")?)?;
        let columns = names(&schema);
        let old =
            ask(format!("select {columns} from candidates left semi join affected on affected.key = candidates.{key}"));
        keep(&session, "old", old.await?).await?;
        let different: Vec<String> =
            schema.fields().iter().map(|f| format!("(wanted.{0} is distinct from old.{0})", f.name())).collect();
        let changed = ask(format!(
            "select wanted.* from wanted left join old on old.{key} = wanted.{key} where old.{key} is null or {}",
            different.join(" or ")
        ));
        let upserted = keep(&session, "changed", changed.await?).await?;
        let gone = ask(format!("select old.{key} as key from old left anti join wanted on wanted.{key} = old.{key}"));
        let deleted = keep(&session, "gone", gone.await?).await?;
        if upserted == 0 && deleted == 0 {
            return Ok(None);
        }
        let replaced = ask(format!("select {key} as key from changed union all select key from gone"));
        keep(&session, "replaced", replaced.await?).await?;
        let updated =
            number(ask(format!("select count(*) from changed left semi join old on old.{key} = changed.{key}")).await?);
        let updated = updated.await?;
        let touched = texts(
            ask("select distinct file from places left semi join replaced on replaced.key = places.key".to_owned())
                .await?,
        );
        let touched = touched.await?;

        let some = self.session(&base, Some(touched.clone())).await?;
        register(&session, "rewritten", some.table_provider("present").await.trying("read files")?)?;
        let kept =
            ask(format!("select {columns} from rewritten left anti join replaced on replaced.key = rewritten.{key}"));
        let added = ask(format!("select {columns} from changed"));
        let destination = self.destination(Arc::clone(&schema));
        let (mut files, _) = destination.write(kept.await?).await?;
        let (new, _) = destination.write(added.await?).await?;
        files.extend(new);

        let touched: HashSet<&str> = touched.iter().map(|file| file_name(file)).collect();
        let state = base.snapshot().trying("list files")?;
        let mut actions: Vec<Action> = state
            .log_data()
            .iter()
            .filter(|file| touched.contains(file_name(&file.path())))
            .map(|file| Action::Remove(file.remove_action(true)))
            .collect();
        actions.extend(files.into_iter().map(Action::Add));
        let before = row_count(&base)?;
        let (upserted, deleted) = (upserted as u64, deleted as u64);
        let inserted = upserted - updated;
        let counts =
            Counts { before, after: before + inserted - deleted.min(before + inserted), inserted, updated, deleted };
        let images = ask(format!(
            "select {columns} from old left semi join replaced on replaced.key = old.{key} union all select {columns} from changed"
        ));
        let (images, _) = in_memory("images", images.await?).await?;
        Ok(Some(self.staged(Some(base), schema, actions, counts, &destination, Some(images))))
    }

    fn destination(&self, schema: SchemaRef) -> Destination {
        let (location, key) = (self.location.clone(), self.key.clone());
        Destination { location, schema, key, ledger: Arc::new(KeyLedger::default()) }
    }

    fn staged(
        &self,
        base: Option<DeltaTable>,
        schema: SchemaRef,
        actions: Vec<Action>,
        counts: Counts,
        to: &Destination,
        images: Option<Arc<MemTable>>,
    ) -> Staged {
        let columns_change =
            base.as_ref().is_some_and(|table| table_schema(table).is_ok_and(|present| *present != *schema));
        Staged { counts, keys: to.ledger.fault(), columns_change, images, stager: self.clone(), base, schema, actions }
    }

    /// A session in which the table's rows are `present`, with the file that each lies in; all, or those of certain files.
    async fn session(&self, table: &DeltaTable, files: Option<Vec<String>>) -> Result<SessionContext> {
        let session = self.engine.session();
        let what = format!("read {}", self.location);
        table.update_datafusion_session(&session.state()).trying(&what)?;
        let mut builder = table.table_provider().with_session(Arc::new(session.state())).with_file_column("file");
        if let Some(files) = files {
            builder = builder.with_file_paths(files);
        }
        register(&session, "present", builder.await.trying(&what)?)?;
        Ok(session)
    }
}

impl Staged {
    /// Name of the table.
    pub fn name(&self) -> &str {
        &self.stager.name
    }

    /// Makes the commit. It goes through only if the table is as it was when the commit was prepared: two runs at once cannot
    /// both write.
    ///
    /// # Errors
    /// Another writer came first, or the table cannot be written.
    pub async fn commit(self) -> Result<DeltaTable> {
        let what = format!("commit {}", self.stager.location);
        let table = match self.base {
            None => self.create().await.trying(&what)?,
            Some(ref table) => {
                let mut actions = self.actions.clone();
                if self.columns_change {
                    let columns: StructType = self
                        .schema
                        .as_ref()
                        .try_into_kernel()
                        .map_err(deltalake::DeltaTableError::from)
                        .trying(&what)?;
                    let metadata =
                        table.snapshot().trying(&what)?.metadata().clone().with_schema(&columns).trying(&what)?;
                    actions.insert(0, Action::Metadata(metadata));
                }
                let state = table.snapshot().trying(&what)?;
                let operation =
                    DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
                CommitBuilder::from(CommitProperties::default().with_max_retries(0))
                    .with_actions(actions)
                    .build(Some(state), table.log_store(), operation)
                    .await
                    .trying(&what)?;
                let mut table = table.clone();
                table.update_state().await.trying(&what)?;
                table
            }
        };
        check_table(&self.stager.name, &table)?;
        Ok(table)
    }

    async fn create(&self) -> Result<DeltaTable, deltalake::DeltaTableError> {
        let columns: StructType = self.schema.as_ref().try_into_kernel()?;
        let location = &self.stager.location;
        let log_store = location
            .table()
            .map_err(|error| deltalake::DeltaTableError::generic(error.to_string()))?
            .build_storage()?;
        CreateBuilder::new()
            .with_log_store(log_store)
            .with_table_name(&self.stager.name)
            .with_comment(self.stager.about.chars().take(1000).collect::<String>())
            .with_columns(columns.fields().cloned())
            .with_configuration(PROPERTIES.map(|(name, value)| (name, Some(value))))
            .with_actions(self.actions.clone())
            .await
    }
}

/// Rows of a table, from its log.
pub(crate) fn row_count(table: &DeltaTable) -> Result<u64> {
    let state = table.snapshot().trying("count rows")?;
    Ok(state.log_data().iter().map(|file| file.num_records().unwrap_or_default() as u64).sum())
}

fn table_schema(table: &DeltaTable) -> Result<SchemaRef> {
    let state = table.snapshot().trying("read columns")?;
    let schema: Result<Schema, _> = state.schema().as_ref().try_into_arrow();
    let schema = schema.map_err(deltalake::DeltaTableError::from).trying("read columns")?;
    Ok(written_schema(&schema))
}

fn names(schema: &Schema) -> String {
    schema.fields().iter().map(|field| field.name().clone()).collect::<Vec<_>>().join(", ")
}

/// The columns in the types of the table, so that equal values have equal hashes.
fn casts(schema: &Schema) -> String {
    let one = |field: &Arc<deltalake::arrow::datatypes::Field>| {
        format!("arrow_cast({}, '{}')", field.name(), field.data_type())
    };
    schema.fields().iter().map(one).collect::<Vec<_>>().join(", ")
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

async fn texts(rows: DataFrame) -> Result<Vec<String>> {
    let batches = rows.collect().await.trying("list files")?;
    let mut all = Vec::new();
    for batch in &batches {
        let column = deltalake::arrow::compute::cast(batch.column(0), &deltalake::arrow::datatypes::DataType::Utf8);
        let column = column.map_err(deltalake::DeltaTableError::from).trying("list files")?;
        all.extend(as_string_array(&column).trying("list files")?.iter().flatten().map(str::to_owned));
    }
    Ok(all)
}

async fn number(rows: DataFrame) -> Result<u64> {
    let batches = rows.collect().await.trying("count rows")?;
    let values = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    Ok(values.sum::<i64>().unsigned_abs())
}
