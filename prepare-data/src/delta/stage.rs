//! Prepares a commit: writes the files that it names, and commits when told to. Until then no reader sees anything, and
//! a process that dies leaves files that no table names, which upkeep removes.

use std::collections::HashSet;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::common::cast::as_string_array;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, MetadataExt, StructType};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use serde::Serialize;

use super::age::Age;
use super::contract::{check_schema, check_table, written_schema};
use super::keys::{KeyFault, KeyLedger};
use super::row_hash::row_hash;
use super::write::{AtOnce, Destination};
use crate::engine::{Engine, in_memory, keep, register, search, sql};
use crate::error::{Error, Result, Trying};
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
    age: Option<Age>,
}

/// Rows of a table, or those that one of several statements makes.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rows.
    pub rows: DataFrame,
    /// The condition that these rows of the table fulfil, and no others.
    pub holds: String,
}

impl Part {
    /// All rows of a table.
    pub fn all(rows: DataFrame) -> Vec<Self> {
        vec![Self { rows, holds: "true".to_owned() }]
    }
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

/// Files that a commit takes out of a table.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    pub(super) actions: Vec<Action>,
    /// Rows in them.
    pub(super) rows: u64,
    /// Their size.
    pub(super) bytes: u64,
}

/// Customer Insights - Data needs every version since its last refresh, and the files of each: it is advised to keep fifteen
/// days. <https://learn.microsoft.com/dynamics365/customer-insights/data/connect-delta-lake>
const PROPERTIES: [(&str, &str); 2] =
    [("delta.logRetentionDuration", "interval 60 days"), ("delta.deletedFileRetentionDuration", "interval 30 days")];

impl Stager {
    /// For the table in a folder, whose rows are told apart by `key`.
    pub fn new(engine: &Engine, location: Location, name: &str, key: &str, about: &str) -> Self {
        let (name, key, about) = (name.to_owned(), key.to_owned(), about.to_owned());
        Self { engine: engine.clone(), location, name, key, about, age: None }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn session(&self) -> SessionContext {
        self.engine.session()
    }

    /// Lets rows of the same age share files, where their age is known.
    #[must_use]
    pub fn by_age(self, age: Option<Age>) -> Self {
        Self { age, ..self }
    }

    /// All rows anew: the table does not exist, or its columns change. Parts are written one after the other, so that only one
    /// at a time takes memory.
    async fn replace(&self, base: Option<DeltaTable>, parts: Vec<Part>) -> Result<Staged> {
        let Some(first) = parts.first() else {
            return Err(Error::Catalog(format!("there is nothing to make {} of", self.name)));
        };
        let schema = written_schema(first.rows.schema().as_arrow());
        check_schema(&self.name, &schema)?;
        self.location.create()?;
        let ledger = Arc::new(KeyLedger::default());
        let destination = self.destination(Arc::clone(&schema), Some(Arc::clone(&ledger)));
        let (mut files, mut count) = (Vec::new(), 0);
        for part in parts {
            let (written, rows) = destination.write(part.rows, AtOnce::Many).await?;
            files.extend(written);
            count += rows;
        }
        let before = base.as_ref().map_or(Ok(0), row_count)?;
        let mut actions = Vec::new();
        if let Some(table) = &base {
            let state = table.snapshot().trying("list files")?;
            actions.extend(state.log_data().iter().map(|file| Action::Remove(file.remove_action(true))));
        }
        actions.extend(files.into_iter().map(Action::Add));
        let counts = Counts { before, after: count, inserted: count, updated: 0, deleted: before };
        Ok(self.staged(base, schema, actions, counts, ledger.fault(), None))
    }

    /// Whatever differs between the table, if there is one, and the rows; `None` if nothing does. Parts are compared one after
    /// the other.
    ///
    /// # Errors
    /// The rows cannot be computed or written, or could not be read by Customer Insights - Data.
    pub async fn difference(&self, base: Option<DeltaTable>, parts: Vec<Part>) -> Result<Option<Staged>> {
        let Some(base) = base else { return self.replace(None, parts).await.map(Some) };
        let schema = table_schema(&base)?;
        if parts.iter().any(|part| *written_schema(part.rows.schema().as_arrow()) != *schema) {
            return self.replace(Some(base), parts).await.map(Some);
        }
        let session = self.engine.session();
        session.register_udf(row_hash());
        register(&session, "present", self.rows(&base, None).await?)?;
        let (columns, hashed, key) = (names(&schema), casts(&schema), &self.key);
        let ask = async |statement: &str| sql(&session, &self.name, statement).await;
        let mut affected = ask("select '' as key where false").await?;
        let mut upserts = ask(&format!("select {columns} from present where false")).await?;
        for (number, Part { rows, holds }) in parts.into_iter().enumerate() {
            register(&session, "part", rows.into_view())?;
            let different = format!(
                "select coalesce(part.{key}, present.{key}) as key \
                 from (select {key}, row_hash({hashed}) as hash from part) part \
                 full join (select {key}, row_hash({hashed}) as hash from present where {holds}) present \
                 on present.{key} = part.{key} \
                 where part.hash is distinct from present.hash"
            );
            let (affected_of, upserts_of) = (format!("affected_{number}"), format!("upserts_{number}"));
            if keep(&session, &affected_of, ask(&different).await?).await? == 0 {
                continue;
            }
            let statement =
                format!("select {columns} from part left semi join {affected_of} on {affected_of}.key = part.{key}");
            keep(&session, &upserts_of, ask(&statement).await?).await?;
            let gathering = "gather what differs";
            affected = affected.union(session.table(&affected_of).await.trying(gathering)?).trying(gathering)?;
            upserts = upserts.union(session.table(&upserts_of).await.trying(gathering)?).trying(gathering)?;
        }
        self.changes(base, upserts, affected).await
    }

    /// What the table lacks of the rows with certain keys: `rows` holds all that there ought to be of them. `None` if
    /// nothing changes.
    ///
    /// # Errors
    /// As [`Self::difference`].
    pub async fn changes(&self, base: DeltaTable, rows: DataFrame, affected: DataFrame) -> Result<Option<Staged>> {
        let schema = table_schema(&base)?;
        if *schema != *written_schema(rows.schema().as_arrow()) {
            return Err(Error::Catalog(format!("the columns of {} changed within a run", self.name)));
        }
        let session = self.engine.session();
        keep(&session, "wanted", rows).await?;
        if keep(&session, "affected", affected).await? == 0 {
            return Ok(None);
        }
        let edit = Edit { stager: self, session, columns: names(&schema) };
        let keys = edit.wanted_keys().await?;
        register(&edit.session, "present", self.rows(&base, None).await?)?;
        let Some((touched, counts)) = edit.compare(&schema, row_count(&base)?).await? else { return Ok(None) };

        let replaced = self.replaced(&base, &touched, true)?;
        register(&edit.session, "touched", self.rows(&base, Some(touched)).await?)?;
        let destination = self.destination(Arc::clone(&schema), None);
        let (files, written) = destination.write(edit.result().await?, AtOnce::of(replaced.bytes)).await?;
        let (images, before_and_after) = edit.images().await?;
        let after = counts.inserted + counts.updated;
        let before = before_and_after - after;
        self.complete(written, (replaced.rows + after).saturating_sub(before))?;
        let mut actions = replaced.actions;
        actions.extend(files.into_iter().map(Action::Add));
        Ok(Some(self.staged(Some(base), schema, actions, counts, keys, Some(images))))
    }

    /// What takes files out of a table.
    pub(super) fn replaced(&self, table: &DeltaTable, paths: &[String], data_change: bool) -> Result<Replaced> {
        let paths: HashSet<&str> = paths.iter().map(|path| file_name(path)).collect();
        let mut replaced = Replaced::default();
        let state = table.snapshot().trying(format!("list files of {}", self.name))?;
        for file in state.log_data().iter().filter(|file| paths.contains(file_name(&file.path()))) {
            replaced.actions.push(Action::Remove(file.remove_action(data_change)));
            replaced.rows += file.num_records().unwrap_or_default() as u64;
            replaced.bytes += file.size().unsigned_abs();
        }
        Ok(replaced)
    }

    /// Refuses to commit what was carried over in part.
    pub(super) fn complete(&self, written: u64, expected: u64) -> Result<()> {
        if written == expected {
            return Ok(());
        }
        Err(Error::Incomplete { table: self.name.clone(), written, expected })
    }

    pub(super) fn destination(&self, schema: SchemaRef, ledger: Option<Arc<KeyLedger>>) -> Destination {
        Destination { location: self.location.clone(), schema, key: self.key.clone(), ledger, age: self.age.clone() }
    }

    fn staged(
        &self,
        base: Option<DeltaTable>,
        schema: SchemaRef,
        actions: Vec<Action>,
        counts: Counts,
        keys: KeyFault,
        images: Option<Arc<MemTable>>,
    ) -> Staged {
        let columns_change =
            base.as_ref().is_some_and(|table| table_schema(table).is_ok_and(|present| *present != *schema));
        Staged { counts, keys, columns_change, images, stager: self.clone(), base, schema, actions }
    }

    /// The table's rows, with the file that each lies in; all, or those of certain files.
    pub(super) async fn rows(&self, table: &DeltaTable, files: Option<Vec<String>>) -> Result<Arc<dyn TableProvider>> {
        let state = self.engine.session().state();
        let mut builder = table.table_provider().with_session(Arc::new(state)).with_file_column("file");
        if let Some(files) = files {
            builder = builder.with_file_paths(files);
        }
        builder.await.trying(format!("read {}", self.location))
    }
}

/// The rows with certain keys, as they are (`old`) and as they ought to be (`wanted`), and what differs: rows that are new or
/// different (`changed`), keys of rows that ought not to be (`gone`), and the keys of both (`replaced`).
struct Edit<'a> {
    stager: &'a Stager,
    session: SessionContext,
    columns: String,
}

impl Edit<'_> {
    async fn ask(&self, statement: &str) -> Result<DataFrame> {
        sql(&self.session, &self.stager.name, statement).await
    }

    async fn keep(&self, name: &str, statement: &str) -> Result<u64> {
        Ok(keep(&self.session, name, self.ask(statement).await?).await? as u64)
    }

    /// What is wrong with the keys that are wanted. Those of other rows are in order since they were written.
    async fn wanted_keys(&self) -> Result<KeyFault> {
        let key = &self.stager.key;
        let batches = self.ask(&format!("select {key} from wanted")).await?.collect().await.trying("read keys")?;
        let ledger = KeyLedger::default();
        batches.iter().for_each(|batch| ledger.note(batch, key));
        Ok(ledger.fault())
    }

    /// The files that hold what differs, and how much that is; `None` if nothing does.
    async fn compare(&self, schema: &Schema, before: u64) -> Result<Option<(Vec<String>, Counts)>> {
        let (key, columns) = (&self.stager.key, &self.columns);
        let old =
            format!("select {columns}, file from present left semi join affected on affected.key = present.{key}");
        keep(&self.session, "old", search(self.ask(&old).await?)).await?;
        let different: Vec<String> =
            schema.fields().iter().map(|f| format!("(wanted.{0} is distinct from old.{0})", f.name())).collect();
        let changed = format!(
            "select wanted.*, old.{key} is null as is_new from wanted left join old on old.{key} = wanted.{key} \
             where old.{key} is null or {}",
            different.join(" or ")
        );
        let upserted = self.keep("changed", &changed).await?;
        let gone = format!("select old.{key} as key from old left anti join wanted on wanted.{key} = old.{key}");
        let deleted = self.keep("gone", &gone).await?;
        if upserted == 0 && deleted == 0 {
            return Ok(None);
        }
        let replaced = format!("select {key} as key from changed where not is_new union all select key from gone");
        let updated = self.keep("replaced", &replaced).await? - deleted;
        let touched = "select distinct file from old left semi join replaced on replaced.key = old.".to_owned() + key;
        let touched = texts(self.ask(&touched).await?).await?;
        let inserted = upserted - updated;
        let after = (before + inserted).saturating_sub(deleted);
        Ok(Some((touched, Counts { before, after, inserted, updated, deleted })))
    }

    /// The rows of the touched files that stay as they are, and those that change.
    async fn result(&self) -> Result<DataFrame> {
        let (key, columns) = (&self.stager.key, &self.columns);
        self.ask(&format!(
            "select {columns} from touched left anti join replaced on replaced.key = touched.{key} \
             union all select {columns} from changed"
        ))
        .await
    }

    /// The rows that differ, as they were and as they will be.
    async fn images(&self) -> Result<(Arc<MemTable>, u64)> {
        let (key, columns) = (&self.stager.key, &self.columns);
        let statement = format!(
            "select {columns} from old left semi join replaced on replaced.key = old.{key} \
             union all select {columns} from changed"
        );
        let (images, count) = in_memory("images", self.ask(&statement).await?).await?;
        Ok((images, count as u64))
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
    pub async fn commit(mut self) -> Result<DeltaTable> {
        let what = format!("commit {}", self.stager.location);
        let table = match self.base.take() {
            None => self.create().await.trying(&what)?,
            Some(table) => {
                let mut actions = std::mem::take(&mut self.actions);
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
                let operation =
                    DeltaOperation::Write { mode: SaveMode::Overwrite, partition_by: None, predicate: None };
                commit(table, actions, operation).await.trying(&what)?
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

/// Commits only if the table is as it was read.
pub(super) async fn commit(
    mut table: DeltaTable,
    actions: Vec<Action>,
    operation: DeltaOperation,
) -> Result<DeltaTable, deltalake::DeltaTableError> {
    CommitBuilder::from(CommitProperties::default().with_max_retries(0))
        .with_actions(actions)
        .build(Some(table.snapshot()?), table.log_store(), operation)
        .await?;
    table.update_state().await?;
    Ok(table)
}

/// Rows of a table, from its log.
pub(crate) fn row_count(table: &DeltaTable) -> Result<u64> {
    let state = table.snapshot().trying("count rows")?;
    Ok(state.log_data().iter().map(|file| file.num_records().unwrap_or_default() as u64).sum())
}

pub(super) fn table_schema(table: &DeltaTable) -> Result<SchemaRef> {
    let state = table.snapshot().trying("read columns")?;
    let schema: Result<Schema, _> = state.schema().as_ref().try_into_arrow();
    let schema = schema.map_err(deltalake::DeltaTableError::from).trying("read columns")?;
    Ok(written_schema(&schema))
}

pub(super) fn names(schema: &Schema) -> String {
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
