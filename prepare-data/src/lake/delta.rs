//! Exported Delta tables: those of Synapse Link, and those of a OneLake shortcut.

use std::collections::HashMap;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::{Int64Type, Schema, TimestampMicrosecondType};
use deltalake::datafusion::functions_aggregate::expr_fn::{max, min};
use deltalake::datafusion::prelude::{DataFrame, JoinType, SessionContext, col, ident, lit};
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::kernel::models::DeletionVectorDescriptor;
use deltalake::{DeltaTable, DeltaTableError};

use super::{Position, conform};
use crate::engine::{timestamp_literal, with_dynamic_filters};
use crate::error::{Context, Result};
use crate::location::Location;
use crate::sql::SourceTable;

#[derive(Debug)]
pub(super) struct DeltaSource {
    location: Location,
    table: DeltaTable,
}

impl DeltaSource {
    pub(super) async fn open(location: &Location) -> Result<Self> {
        let table = location.table()?.load().await.context(format!("open the table {location}"))?;
        Ok(Self { location: location.clone(), table })
    }

    pub(super) fn place(&self) -> String {
        format!("Delta: {}", self.location)
    }

    pub(super) fn file_count(&self) -> Result<usize> {
        Ok(files(&self.table)?.len())
    }

    pub(super) fn schema(&self) -> Result<Schema> {
        let what = format!("read the columns of {}", self.location);
        let state = self.table.snapshot().context(&what)?;
        let schema: Result<Schema, _> = state.schema().as_ref().try_into_arrow();
        schema.map_err(DeltaTableError::from).context(what)
    }

    /// Whether the table has this id.
    pub(super) fn is(&self, id: &str) -> Result<bool> {
        Ok(self.id()? == id)
    }

    fn id(&self) -> Result<String> {
        let state = self.table.snapshot().context(format!("read {}", self.location))?;
        Ok(state.metadata().id().to_owned())
    }

    pub(super) async fn all(&self, session: &SessionContext, table: &SourceTable) -> Result<DataFrame> {
        self.read(session, table, None).await
    }

    /// Rows in files that are newer than `version`, with a newer row version or time of writing. (Row versions follow the
    /// transactions of the source, times of writing those of the lake.) And all versions of these rows: a rewritten file can
    /// contain an old version of a row whose delete is in another file.
    pub(super) async fn since(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        version: u64,
        row_version: i64,
        written: i64,
    ) -> Result<Option<DataFrame>> {
        let Some(before) = self.version(version).await? else { return Ok(None) };
        let FileChanges { added, shrunk } = FileChanges::between(&before, &self.table)?;
        let written = lit(timestamp_literal(written));
        let newer = col("versionnumber")
            .gt(lit(row_version))
            .or(col("sinkmodifiedon").gt_eq(written))
            .or(col("versionnumber").is_null())
            .or(col("sinkmodifiedon").is_null());
        let candidates = self
            .read(session, table, Some(added.clone()))
            .await?
            .filter(newer)
            .and_then(|rows| rows.select(vec![col("id"), col("versionnumber")]))
            .context(format!("find what is new in {}", table.name))?
            .cache()
            .await
            .context(format!("find what is new in {}", table.name))?;
        let oldest = candidates
            .clone()
            .aggregate(vec![], vec![min(col("versionnumber")).alias("oldest")])
            .context("find the oldest version")?
            .collect()
            .await
            .context(format!("find what is new in {}", table.name))?;
        let oldest = oldest.first().and_then(|batch| {
            let values = batch.column(0).as_primitive::<Int64Type>();
            values.iter().next().flatten()
        });
        let ids = candidates
            .select(vec![col("id").alias("candidate")])
            .and_then(DataFrame::distinct)
            .context("select the candidates")?;
        let mut all = self.read(session, table, None).await?;
        if let Some(oldest) = oldest {
            let recent = col("versionnumber").gt_eq(lit(oldest)).or(col("versionnumber").is_null());
            all = all.filter(recent).context("filter by version")?;
        }
        let rows = all
            .join(ids, JoinType::LeftSemi, &["id"], &["candidate"], None)
            .context(format!("read what is new in {}", table.name))?;
        let what = format!("read what is new in {}", table.name);
        let mut rows = with_dynamic_filters(rows).cache().await.context(&what)?;
        // NULL equals nothing in a join, and a row without an id has to reach the check of keys.
        let without_id = self.read(session, table, Some(added)).await?.filter(col("id").is_null()).context(&what)?;
        rows = rows.union(without_id).context(&what)?;
        if !shrunk.is_empty() {
            let deleted =
                Self { location: self.location.clone(), table: before }.read(session, table, Some(shrunk)).await?;
            rows = rows.union(self.vanished(session, table, deleted).await?).context(&what)?;
        }
        Ok(Some(rows))
    }

    /// A delete for each of the rows that are in no file any more: a deletion vector removes rows without a trace in new files.
    async fn vanished(&self, session: &SessionContext, table: &SourceTable, before: DataFrame) -> Result<DataFrame> {
        let what = format!("find deleted rows of {}", table.name);
        let now = self.read(session, table, None).await?.select(vec![col("id").alias("present")]).context(&what)?;
        let names: Vec<String> = before.schema().fields().iter().map(|field| field.name().clone()).collect();
        let columns = names.into_iter().map(|name| match name.as_str() {
            "isdelete" => lit(true).alias(name),
            _ => ident(name),
        });
        before
            .join(now, JoinType::LeftAnti, &["id"], &["present"], None)
            .and_then(|gone| gone.select(columns.collect::<Vec<_>>()))
            .context(what)
    }

    pub(super) async fn position(&self, session: &SessionContext, table: &SourceTable) -> Result<Position> {
        let what = format!("find the end of {}", table.name);
        let ends = self
            .all(session, table)
            .await?
            .aggregate(vec![], vec![max(col("versionnumber")).alias("v"), max(col("sinkmodifiedon")).alias("w")])
            .context(&what)?
            .collect()
            .await
            .context(&what)?;
        let (mut row_version, mut written) = (i64::MIN, i64::MIN);
        for batch in &ends {
            row_version = batch.column(0).as_primitive::<Int64Type>().iter().flatten().fold(row_version, i64::max);
            written =
                batch.column(1).as_primitive::<TimestampMicrosecondType>().iter().flatten().fold(written, i64::max);
        }
        Ok(Position::Delta { id: self.id()?, version: self.table.version().unwrap_or_default(), row_version, written })
    }

    /// The table as it was; `None` if that version cannot be read any more.
    async fn version(&self, version: u64) -> Result<Option<DeltaTable>> {
        let mut before = self.location.table()?.build().context(format!("open {}", self.location))?;
        if self.table.version().is_none_or(|now| now < version) || before.load_version(version).await.is_err() {
            tracing::info!(table = %self.location, version, "the version that was read last is gone: reading all rows");
            return Ok(None);
        }
        Ok(Some(before))
    }

    async fn read(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        files: Option<Vec<String>>,
    ) -> Result<DataFrame> {
        let what = format!("read {}", self.location);
        let mut builder = self.table.table_provider().with_session(std::sync::Arc::new(session.state()));
        if let Some(files) = files {
            builder = builder.with_file_paths(files);
        }
        let rows = session.read_table(builder.await.context(&what)?).context(&what)?;
        let mut columns = conform::columns(rows.schema().as_arrow(), table)?;
        columns.push(lit("").alias("lakefolder"));
        rows.select(columns).context(&what)
    }
}

/// What differs between the files of two versions.
struct FileChanges {
    /// New files.
    added: Vec<String>,
    /// Files whose deletion vector changed.
    shrunk: Vec<String>,
}

impl FileChanges {
    fn between(before: &DeltaTable, now: &DeltaTable) -> Result<Self> {
        let (known, now) = (files(before)?, files(now)?);
        let (mut added, mut shrunk) = (Vec::new(), Vec::new());
        for (path, vector) in now {
            match known.get(&path) {
                None => added.push(path),
                Some(known) if *known != vector => shrunk.push(path),
                Some(_) => {}
            }
        }
        Ok(Self { added, shrunk })
    }
}

/// The files of a table, and the deletion vector of each.
fn files(table: &DeltaTable) -> Result<HashMap<String, Option<String>>> {
    let state = table.snapshot().context("list files")?;
    let vector = |vector: DeletionVectorDescriptor| {
        format!("{}{}/{:?}", vector.storage_type, vector.path_or_inline_dv, vector.offset)
    };
    let files = state.log_data();
    Ok(files.iter().map(|file| (file.path().into_owned(), file.deletion_vector_descriptor().map(vector))).collect())
}
