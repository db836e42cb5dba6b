//! Exported Delta tables: those of Synapse Link, and those of a OneLake shortcut.

use std::collections::HashSet;

use deltalake::DeltaTable;
use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use deltalake::datafusion::functions_aggregate::expr_fn::{max, min};
use deltalake::datafusion::prelude::{DataFrame, JoinType, SessionContext, col, lit};

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
        let Some(new_files) = self.files_since(version).await? else { return Ok(None) };
        let written = lit(timestamp_literal(written));
        let newer = col("versionnumber")
            .gt(lit(row_version))
            .or(col("sinkmodifiedon").gt_eq(written))
            .or(col("versionnumber").is_null())
            .or(col("sinkmodifiedon").is_null());
        let candidates = self
            .read(session, table, Some(new_files))
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
        Ok(Some(with_dynamic_filters(rows).cache().await.context(format!("read what is new in {}", table.name))?))
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

    /// Paths of the files that were added after a version; `None` if that version cannot be read any more.
    async fn files_since(&self, version: u64) -> Result<Option<Vec<String>>> {
        let mut before = self.location.table()?.build().context(format!("open {}", self.location))?;
        if self.table.version().is_none_or(|now| now < version) || before.load_version(version).await.is_err() {
            tracing::info!(table = %self.location, version, "the version that was read last is gone: reading all rows");
            return Ok(None);
        }
        let known: HashSet<String> = paths(&before)?.into_iter().collect();
        Ok(Some(paths(&self.table)?.into_iter().filter(|path| !known.contains(path)).collect()))
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

fn paths(table: &DeltaTable) -> Result<Vec<String>> {
    let state = table.snapshot().context("list files")?;
    Ok(state.log_data().iter().map(|file| file.path().into_owned()).collect())
}
