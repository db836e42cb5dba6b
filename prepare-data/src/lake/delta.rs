//! Delta tables: Synapse Link's, and those behind a shortcut of OneLake.

use std::collections::HashSet;

use deltalake::DeltaTable;
use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use deltalake::datafusion::functions_aggregate::expr_fn::{max, min};
use deltalake::datafusion::prelude::{DataFrame, JoinType, SessionContext, col, lit};

use super::{Location, Position, conform};
use crate::engine::{search, timestamp_literal};
use crate::error::{Result, Trying};
use crate::sql::SourceTable;

#[derive(Debug)]
pub(super) struct DeltaSource {
    location: Location,
    table: DeltaTable,
}

impl DeltaSource {
    pub(super) async fn open(location: &Location) -> Result<Self> {
        let table = location.table()?.load().await.trying(format!("open the table {location}"))?;
        Ok(Self { location: location.clone(), table })
    }

    /// Whether it is the table with that identity.
    pub(super) fn is(&self, id: &str) -> Result<bool> {
        Ok(self.id()? == id)
    }

    fn id(&self) -> Result<String> {
        let state = self.table.snapshot().trying(format!("read {}", self.location))?;
        Ok(state.metadata().id().to_owned())
    }

    pub(super) async fn all(&self, session: &SessionContext, table: &SourceTable) -> Result<DataFrame> {
        self.read(session, table, None).await
    }

    /// Rows whose files are new since that version, and that were written since, whichever clock tells: row versions follow
    /// the transactions of the source, times of writing those of the lake. Then every version of those rows, because a file
    /// that was rewritten can hold an old version of a row whose delete lies in another.
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
            .trying(format!("find what is new in {}", table.name))?
            .cache()
            .await
            .trying(format!("find what is new in {}", table.name))?;
        let oldest = candidates
            .clone()
            .aggregate(vec![], vec![min(col("versionnumber")).alias("oldest")])
            .trying("find the oldest version")?
            .collect()
            .await
            .trying(format!("find what is new in {}", table.name))?;
        let oldest = oldest.first().and_then(|batch| {
            let values = batch.column(0).as_primitive::<Int64Type>();
            values.iter().next().flatten()
        });
        let ids = candidates
            .select(vec![col("id").alias("candidate")])
            .and_then(DataFrame::distinct)
            .trying("name the candidates")?;
        let mut all = self.read(session, table, None).await?;
        if let Some(oldest) = oldest {
            let recent = col("versionnumber").gt_eq(lit(oldest)).or(col("versionnumber").is_null());
            all = all.filter(recent).trying("leave out older versions")?;
        }
        let rows = all
            .join(ids, JoinType::LeftSemi, &["id"], &["candidate"], None)
            .trying(format!("read what is new in {}", table.name))?;
        Ok(Some(search(rows).cache().await.trying(format!("read what is new in {}", table.name))?))
    }

    pub(super) async fn position(&self, session: &SessionContext, table: &SourceTable) -> Result<Position> {
        let what = format!("find the end of {}", table.name);
        let ends = self
            .all(session, table)
            .await?
            .aggregate(vec![], vec![max(col("versionnumber")).alias("v"), max(col("sinkmodifiedon")).alias("w")])
            .trying(&what)?
            .collect()
            .await
            .trying(&what)?;
        let (mut row_version, mut written) = (i64::MIN, i64::MIN);
        for batch in &ends {
            row_version = batch.column(0).as_primitive::<Int64Type>().iter().flatten().fold(row_version, i64::max);
            written =
                batch.column(1).as_primitive::<TimestampMicrosecondType>().iter().flatten().fold(written, i64::max);
        }
        Ok(Position::Delta { id: self.id()?, version: self.table.version().unwrap_or_default(), row_version, written })
    }

    /// Paths of the files that a later version added; `None` if that version cannot be read any more.
    async fn files_since(&self, version: u64) -> Result<Option<Vec<String>>> {
        let mut before = self.location.table()?.build().trying(format!("open {}", self.location))?;
        if self.table.version().is_none_or(|now| now < version) || before.load_version(version).await.is_err() {
            tracing::info!(table = %self.location, version, "the version read last is gone: reading all");
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
        let rows = session.read_table(builder.await.trying(&what)?).trying(&what)?;
        let mut columns = conform::columns(rows.schema().as_arrow(), table)?;
        columns.push(lit("").alias("lakefolder"));
        rows.select(columns).trying(&what)
    }
}

fn paths(table: &DeltaTable) -> Result<Vec<String>> {
    let state = table.snapshot().trying("list files")?;
    Ok(state.log_data().iter().map(|file| file.path().into_owned()).collect())
}
