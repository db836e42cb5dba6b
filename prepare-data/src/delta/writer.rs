//! Prepares the commits of one table: compares, and writes the files that a commit will name. If the process ends before the
//! commit, no table names these files, and maintenance removes them.

use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::arrow::datatypes::{Schema, SchemaRef};
use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use deltalake::kernel::Action;
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::age_buckets::AgeBuckets;
use super::commit::{Content, Counts, PendingCommit};
use super::contract::{check_schema, written_schema};
use super::files::{Destination, WriterParallelism};
use super::keys::KeyCheck;
use super::merge::{Difference, MergePlan};
use super::row_hash::row_hash;
use super::snapshot::{cast_list, column_list, remove_all_files, removed_files, row_count, table_schema};
use crate::engine::{Engine, materialize, register, sql};
use crate::error::{Context, Error, Result};
use crate::location::Location;

/// Prepares the commits of one table.
#[derive(Clone, Debug)]
pub struct TableWriter {
    engine: Engine,
    location: Location,
    name: String,
    key: String,
    about: String,
    age: Option<AgeBuckets>,
}

/// Rows of a table that one statement computes.
pub struct Partition<'a> {
    /// Plans the statement when it is its turn, in a session that keeps what the rows are computed from.
    pub rows: BoxFuture<'a, Result<(SessionContext, DataFrame)>>,
    /// A condition that is true for these rows of the table and for no others.
    pub predicate: String,
}

impl TableWriter {
    /// A writer for the table in a folder. `key` is the column that identifies a row.
    pub fn new(engine: &Engine, location: Location, name: &str, key: &str, about: &str) -> Self {
        let (name, key, about) = (name.to_owned(), key.to_owned(), about.to_owned());
        Self { engine: engine.clone(), location, name, key, about, age: None }
    }

    /// Writes rows of a similar age to the same files.
    #[must_use]
    pub fn by_age(self, age: Option<AgeBuckets>) -> Self {
        Self { age, ..self }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn about(&self) -> &str {
        &self.about
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn session(&self) -> SessionContext {
        self.engine.session()
    }

    /// Prepares the difference between the table, if it exists, and the rows; `None` if they are equal.
    ///
    /// # Errors
    /// The rows cannot be computed or written, or Customer Insights - Data could not read them.
    pub async fn difference(&self, base: Option<DeltaTable>, rows: DataFrame) -> Result<Option<PendingCommit>> {
        let schema = written_schema(rows.schema().as_arrow());
        let all = Partition { rows: ready(Ok((self.session(), rows))).boxed(), predicate: "true".to_owned() };
        self.partitions_difference(base, schema, vec![all]).await
    }

    /// The same for rows of several statements, which are computed and compared one after the other.
    ///
    /// # Errors
    /// As [`Self::difference`].
    pub async fn partitions_difference(
        &self,
        base: Option<DeltaTable>,
        schema: SchemaRef,
        partitions: Vec<Partition<'_>>,
    ) -> Result<Option<PendingCommit>> {
        let base = match base {
            Some(base) if *table_schema(&base)? == *schema => base,
            base => return self.replace(base, schema, partitions).await.map(Some),
        };
        let session = self.session();
        session.register_udf(row_hash());
        register(&session, "existing", self.rows(&base, None).await?)?;
        let columns = column_list(&schema);
        let mut affected = sql(&session, &self.name, "select '' as key where false").await?;
        let mut target = sql(&session, &self.name, &format!("select {columns} from existing where false")).await?;
        for (number, partition) in partitions.into_iter().enumerate() {
            let Some((keys, rows)) = self.partition_difference(&session, &schema, number, partition).await? else {
                continue;
            };
            let gathering = "collect the differences";
            affected = affected.union(keys).context(gathering)?;
            target = target.union(rows).context(gathering)?;
        }
        self.changes(base, target, affected).await
    }

    /// Keys and rows that differ between a partition and the table; `None` if there are none.
    async fn partition_difference(
        &self,
        session: &SessionContext,
        schema: &Schema,
        number: usize,
        Partition { rows, predicate }: Partition<'_>,
    ) -> Result<Option<(DataFrame, DataFrame)>> {
        let (key, columns, hashed) = (&self.key, column_list(schema), cast_list(schema));
        let (_keeps, rows) = rows.await?;
        register(session, "partition_rows", rows.into_view())?;
        let different = format!(
            "select coalesce(computed.{key}, stored.{key}) as key \
             from (select {key}, row_hash({hashed}) as hash from partition_rows) computed \
             full join (select {key}, row_hash({hashed}) as hash from existing where {predicate}) stored \
             on stored.{key} = computed.{key} \
             where computed.hash is distinct from stored.hash"
        );
        let (affected, upserts) = (format!("affected_{number}"), format!("upserts_{number}"));
        if materialize(session, &affected, sql(session, &self.name, &different).await?).await? == 0 {
            return Ok(None);
        }
        let statement = format!(
            "select {columns} from partition_rows left semi join {affected} on {affected}.key = partition_rows.{key}"
        );
        materialize(session, &upserts, sql(session, &self.name, &statement).await?).await?;
        let table = async |name: &str| session.table(name).await.context("collect the differences");
        Ok(Some((table(&affected).await?, table(&upserts).await?)))
    }

    /// Prepares the changes of the rows with certain keys. `rows` are all rows of these keys as they should be. `None` if
    /// nothing changes.
    ///
    /// # Errors
    /// As [`Self::difference`].
    pub async fn changes(
        &self,
        base: DeltaTable,
        rows: DataFrame,
        affected: DataFrame,
    ) -> Result<Option<PendingCommit>> {
        let schema = table_schema(&base)?;
        if *schema != *written_schema(rows.schema().as_arrow()) {
            return Err(Error::Catalog(format!("the columns of {} changed within a run", self.name)));
        }
        let session = self.session();
        materialize(&session, "target", rows).await?;
        if materialize(&session, "affected", affected).await? == 0 {
            return Ok(None);
        }
        let plan = MergePlan::new(&self.name, &self.key, &schema, session);
        let keys = plan.key_errors().await?;
        register(plan.session(), "existing", self.rows(&base, None).await?)?;
        let Some(difference) = plan.compare(&schema, row_count(&base)?).await? else { return Ok(None) };
        let counts = difference.counts;
        let (actions, images) = self.rewrite(&base, &schema, &plan, difference).await?;
        Ok(Some(PendingCommit::new(self, Some(base), Content { schema, actions, counts, keys, images: Some(images) })))
    }

    /// Writes the affected files again, and returns the actions and the changed rows.
    async fn rewrite(
        &self,
        base: &DeltaTable,
        schema: &SchemaRef,
        plan: &MergePlan<'_>,
        Difference { affected_files, counts }: Difference,
    ) -> Result<(Vec<Action>, Arc<dyn TableProvider>)> {
        let removed = removed_files(base, &self.name, &affected_files, true)?;
        register(plan.session(), "affected_rows", self.rows(base, Some(affected_files)).await?)?;
        let destination = self.destination(Arc::clone(schema), None);
        let parallelism = WriterParallelism::for_bytes(removed.bytes);
        let (files, written) = destination.write(plan.rewritten_rows().await?, parallelism).await?;
        let (images, before_and_after) = plan.images().await?;
        let after = counts.inserted + counts.updated;
        let before = before_and_after - after;
        self.require_rows(written, (removed.rows + after).saturating_sub(before))?;
        let mut actions = removed.actions;
        actions.extend(files.into_iter().map(Action::Add));
        Ok((actions, images))
    }

    /// Writes all rows: the table is new, or its columns change. Partitions are written one after the other, so that only
    /// one at a time needs memory.
    async fn replace(
        &self,
        base: Option<DeltaTable>,
        schema: SchemaRef,
        partitions: Vec<Partition<'_>>,
    ) -> Result<PendingCommit> {
        check_schema(&self.name, &schema)?;
        self.location.create()?;
        let keys = Arc::new(KeyCheck::default());
        let destination = self.destination(Arc::clone(&schema), Some(Arc::clone(&keys)));
        let mut actions = base.as_ref().map_or(Ok(Vec::new()), remove_all_files)?;
        let mut count = 0;
        for partition in partitions {
            let (_keeps, rows) = partition.rows.await?;
            let (files, rows) = destination.write(rows, WriterParallelism::PerPartition).await?;
            actions.extend(files.into_iter().map(Action::Add));
            count += rows;
        }
        let before = base.as_ref().map_or(Ok(0), row_count)?;
        let counts = Counts { before, after: count, inserted: count, updated: 0, deleted: before };
        let content = Content { schema, actions, counts, keys: keys.errors(), images: None };
        Ok(PendingCommit::new(self, base, content))
    }

    /// Refuses a commit that would lose rows.
    pub(super) fn require_rows(&self, written: u64, expected: u64) -> Result<()> {
        if written == expected {
            return Ok(());
        }
        Err(Error::Incomplete { table: self.name.clone(), written, expected })
    }

    pub(super) fn destination(&self, schema: SchemaRef, keys: Option<Arc<KeyCheck>>) -> Destination {
        Destination { location: self.location.clone(), schema, key: self.key.clone(), keys, age: self.age.clone() }
    }

    /// The rows of the table, with the file of each; all rows, or those of certain files.
    pub(super) async fn rows(&self, table: &DeltaTable, files: Option<Vec<String>>) -> Result<Arc<dyn TableProvider>> {
        let state = self.session().state();
        let mut builder = table.table_provider().with_session(Arc::new(state)).with_file_column("file");
        if let Some(files) = files {
            builder = builder.with_file_paths(files);
        }
        builder.await.context(format!("read {}", self.location))
    }
}
