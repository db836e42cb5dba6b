//! The table of rejected rows.

use std::collections::BTreeMap;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::arrow::array::AsArray;
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::{DataType, Int64Type};
use deltalake::datafusion::error::DataFusionError;
use deltalake::datafusion::prelude::DataFrame;
use futures::FutureExt;
use futures::future::ready;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::layer::{How, Layer};
use super::rejections::{Rejections, rejected_rows, unreadable_values};
use super::report::{Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::{Partition, PendingCommit, written_schema};
use crate::engine::{Engine, materialize, register, sql, with_dynamic_filters};
use crate::error::{Context, Result};
use crate::sql::{GoldTable, Script};

/// Name of the table.
const TABLE: &str = "rejected";

/// The rejected rows of a published table, and the script that finds them.
type Part<'a> = (&'a GoldTable, &'a Script, Rejections);

/// Updates the table.
pub(super) async fn update(
    run: &Run<'_>,
    state: &mut State,
    inputs: &Inputs,
    rejections: Vec<(&GoldTable, Rejections)>,
    report: &mut Report,
) -> Result<()> {
    let started = Instant::now();
    let parts: Vec<Part<'_>> =
        rejections.into_iter().filter_map(|(table, part)| Some((table, table.rejected.as_ref()?, part))).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let definition_hash = run.published_hash(&parts.iter().map(|(_, script, _)| Some(*script)).collect::<Vec<_>>());
    let reads: Vec<String> = parts.iter().flat_map(|(table, ..)| table.reads.clone()).collect();
    let current = run.location(Layer::Quality, TABLE).open().await?;
    let is_known = state.rejected.as_ref().is_some_and(|known| {
        current.as_ref().and_then(DeltaTable::version) == Some(known.version)
            && known.definition_hash == definition_hash
            && known.inputs == inputs.before(&reads)
            && !run.reconcile
    });
    let rejected = Rejected { run, inputs, current: current.as_ref() };
    let (how, pending) = match &current {
        Some(_) if is_known && inputs.unchanged(&reads) => (How::Unchanged, None),
        Some(current) if is_known && parts.iter().all(|(table, _, part)| part.is_small(table)) => {
            (How::Changes, rejected.changes(current, parts).await?)
        }
        _ => (How::Whole, rejected.whole(&parts).await?),
    };
    let mut entry = TableReport::new(Layer::Quality, TABLE, how);
    let table = match pending {
        None => current,
        Some(pending) => {
            entry.counts = pending.counts;
            Some(pending.commit().await?)
        }
    };
    let Some(table) = table else { return Ok(()) };
    report.rejected = reasons(run, &table).await?;
    entry.finished(&table, started)?;
    report.tables.push(entry);
    let version = table.version().unwrap_or_default();
    state.rejected = Some(GoldState { version, definition_hash, as_of: run.as_of, inputs: inputs.now(&reads) });
    Ok(())
}

struct Rejected<'a> {
    run: &'a Run<'a>,
    inputs: &'a Inputs,
    current: Option<&'a DeltaTable>,
}

impl Rejected<'_> {
    async fn whole(&self, parts: &[Part<'_>]) -> Result<Option<PendingCommit>> {
        self.run.engine.within_memory(TABLE, |engine| self.difference(engine, parts).boxed()).await
    }

    async fn difference(&self, engine: Engine, parts: &[Part<'_>]) -> Result<Option<PendingCommit>> {
        let mut all = Vec::new();
        let mut names = vec![String::new()];
        for (table, script, _) in parts {
            let session = self.inputs.session(self.run, &engine, None)?;
            let predicate = format!("published_table = '{}'", table.name());
            let rows = async move {
                // Computed once: a comparison reads them twice.
                materialize(&session, TABLE, rejected_rows(table, script, &session).await?).await?;
                let rows = session.table(TABLE).await.context("collect rejected rows")?;
                Ok((session, rows))
            };
            all.push(Partition { rows: rows.boxed(), predicate });
            names.push(table.name().to_owned());
        }
        let session = engine.session();
        let rows = unreadable_values(self.run, self.inputs, &session, true).await?;
        let rows = rows.distinct().context("collect unreadable values")?;
        let schema = written_schema(rows.schema().as_arrow());
        let predicate = format!("published_table is null or published_table not in ('{}')", names.join("', '"));
        all.push(Partition { rows: ready(Ok((session, rows))).boxed(), predicate });
        let writer = self.run.table_writer(&engine, Layer::Quality, TABLE)?;
        writer.partitions_difference(self.current.cloned(), schema, all).await
    }

    async fn changes(&self, current: &DeltaTable, parts: Vec<Part<'_>>) -> Result<Option<PendingCommit>> {
        let session = self.run.engine.session();
        let collecting = "collect rejected rows";
        let mut target = unreadable_values(self.run, self.inputs, &session, false).await?;
        let mut keys = sql(&session, TABLE, "select '' as published_table, '' as key where false").await?;
        let mut whole = vec![String::new()];
        for (table, script, part) in parts {
            match part {
                Rejections::Unchanged => {}
                Rejections::Changes { keys: affected, rows } => {
                    target = target.union(session.read_table(rows).context(collecting)?).context(collecting)?;
                    keys = keys.union(session.read_table(affected).context(collecting)?).context(collecting)?;
                }
                Rejections::Whole => {
                    let inputs = self.inputs.session(self.run, self.run.engine, None)?;
                    target = target.union(rejected_rows(table, script, &inputs).await?).context(collecting)?;
                    whole.push(table.name().to_owned());
                }
            }
        }
        materialize(&session, "target", target.distinct().context(collecting)?).await?;
        materialize(&session, "keys", keys).await?;
        register(&session, "existing", rows_of(self.run, current).await?)?;
        let affected = with_dynamic_filters(sql(&session, TABLE, &affected_ids(&whole)).await?);
        let target: DataFrame = session.table("target").await.context(collecting)?;
        let writer = self.run.table_writer(self.run.engine, Layer::Quality, TABLE)?;
        writer.changes(current.clone(), target, affected).await
    }
}

/// The statement for the ids of all rows that may change. `whole`: published tables whose rejected rows are all computed.
fn affected_ids(whole: &[String]) -> String {
    format!(
        "select rejection_id as key from existing \
         left semi join keys on keys.key = existing.key and keys.published_table = existing.published_table \
         union select rejection_id as key from existing where published_table in ('{}') \
         union select rejection_id as key from target",
        whole.join("', '")
    )
}

/// Rejected rows by reason.
async fn reasons(run: &Run<'_>, table: &DeltaTable) -> Result<BTreeMap<String, u64>> {
    let session = run.engine.session();
    register(&session, TABLE, rows_of(run, table).await?)?;
    let counted = "select cast(reason as varchar) as reason, count(*) as rows from rejected group by reason";
    let counting = "count rejected rows";
    let batches = sql(&session, TABLE, counted).await?.collect().await.context(counting)?;
    let mut reasons = BTreeMap::new();
    for batch in &batches {
        let names = cast(batch.column(0), &DataType::Utf8).map_err(DataFusionError::from).context(counting)?;
        let counts = batch.column(1).as_primitive::<Int64Type>();
        for (name, count) in names.as_string::<i32>().iter().zip(counts) {
            reasons.insert(name.unwrap_or_default().to_owned(), count.unwrap_or_default().unsigned_abs());
        }
    }
    Ok(reasons)
}
