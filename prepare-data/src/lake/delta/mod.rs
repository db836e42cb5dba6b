//! Exported Delta tables: those of Synapse Link, and those of a OneLake shortcut.

mod file_changes;
mod hard_deletes;

use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::{Int64Type, Schema, TimestampMicrosecondType};
use deltalake::datafusion::functions_aggregate::expr_fn::{max, min};
use deltalake::datafusion::prelude::{DataFrame, JoinType, SessionContext, col, lit};
use deltalake::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake::{DeltaTable, DeltaTableError, ObjectStoreError, Path};
use object_store::ObjectStoreExt;
use tokio::sync::OnceCell;

use self::file_changes::{FileChanges, files};
use self::hard_deletes::HardDeletes;
use super::{Position, conform};
use crate::engine::{timestamp_literal, with_dynamic_filters};
use crate::error::{Context, Result};
use crate::location::Location;
use crate::sql::SourceTable;

#[derive(Debug)]
pub(super) struct DeltaSource {
    location: Location,
    table: DeltaTable,
    /// The table as it was when it was read last.
    before: OnceCell<Option<DeltaTable>>,
}

impl DeltaSource {
    pub(super) async fn open(location: &Location) -> Result<Self> {
        let table = location.table()?.load().await.context(format!("open the table {location}"))?;
        Ok(Self { location: location.clone(), table, before: OnceCell::new() })
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
    /// contain an old version of a row whose delete is in another file. And a delete for each row that is in no file any more.
    pub(super) async fn since(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        version: u64,
        row_version: i64,
        written: i64,
    ) -> Result<Option<DataFrame>> {
        let Some(before) = self.version(version).await? else { return Ok(None) };
        let changes = FileChanges::between(&before, &self.table)?;
        let written = lit(timestamp_literal(written));
        let newer = col("versionnumber")
            .gt(lit(row_version))
            .or(col("sinkmodifiedon").gt_eq(written))
            .or(col("versionnumber").is_null())
            .or(col("sinkmodifiedon").is_null());
        let candidates = self
            .read(session, table, Some(changes.added.clone()))
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
            .context("select the candidates")?
            .cache()
            .await
            .context("select the candidates")?;
        let mut all = self.read(session, table, None).await?;
        if let Some(oldest) = oldest {
            let recent = col("versionnumber").gt_eq(lit(oldest)).or(col("versionnumber").is_null());
            all = all.filter(recent).context("filter by version")?;
        }
        let rows = all
            .join(ids.clone(), JoinType::LeftSemi, &["id"], &["candidate"], None)
            .context(format!("read what is new in {}", table.name))?;
        let what = format!("read what is new in {}", table.name);
        let mut rows = with_dynamic_filters(rows).cache().await.context(&what)?;
        // NULL equals nothing in a join, and a row without an id has to reach the check of keys.
        let without_id =
            self.read(session, table, Some(changes.added.clone())).await?.filter(col("id").is_null()).context(&what)?;
        rows = rows.union(without_id).context(&what)?;
        let before = Self { location: self.location.clone(), table: before, before: OnceCell::new() };
        match HardDeletes::new(session, table, &before, self, ids).find(&changes).await {
            Ok(None) => Ok(Some(rows)),
            Ok(Some(deletes)) => rows.union(deletes).map(Some).context(what),
            // The export removes replaced files after some days.
            Err(error) if error.is_out_of_memory() || self.lacks_any(&changes.removed).await? => {
                tracing::info!(table = %self.location, %error, "replaced files cannot be compared: reading all rows");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn lacks_any(&self, files: &[String]) -> Result<bool> {
        let store = self.location.store()?;
        for file in files {
            match store.head(&Path::from(file.as_str())).await {
                Err(ObjectStoreError::NotFound { .. }) => return Ok(true),
                found => drop(found.context(format!("read {}{file}", self.location))?),
            }
        }
        Ok(false)
    }

    /// The end of the table. Of a table that was read before, only new files are looked at.
    pub(super) async fn position(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        saved: Option<&Position>,
    ) -> Result<Position> {
        let (mut row_version, mut written, mut files) = (i64::MIN, i64::MIN, None);
        if let Some(Position::Delta { id, version, row_version: last, written: at }) = saved
            && self.is(id)?
            && let Some(before) = self.version(*version).await?
        {
            (row_version, written) = (*last, *at);
            files = Some(FileChanges::between(&before, &self.table)?.added);
        }
        if files.as_ref().is_none_or(|files| !files.is_empty()) {
            let (newest, latest) = self.ends(session, table, files).await?;
            (row_version, written) = (row_version.max(newest), written.max(latest));
        }
        Ok(Position::Delta { id: self.id()?, version: self.table.version().unwrap_or_default(), row_version, written })
    }

    /// The highest row version and the latest time of writing.
    async fn ends(
        &self,
        session: &SessionContext,
        table: &SourceTable,
        files: Option<Vec<String>>,
    ) -> Result<(i64, i64)> {
        let what = format!("find the end of {}", table.name);
        let ends = self
            .read(session, table, files)
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
        Ok((row_version, written))
    }

    /// The table as it was; `None` if that version cannot be read any more. An export is opened for one run: if the run asks
    /// again for a newer version, the older one only makes more files count as new.
    async fn version(&self, version: u64) -> Result<Option<DeltaTable>> {
        let before = self.before.get_or_try_init(|| self.load(version)).await?;
        Ok(before.clone())
    }

    async fn load(&self, version: u64) -> Result<Option<DeltaTable>> {
        if self.table.version() == Some(version) {
            return Ok(Some(self.table.clone()));
        }
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
