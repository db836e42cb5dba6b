//! Rows that had to be left out, and references that lead nowhere.

use std::sync::Arc;
use std::time::Instant;

use deltalake::DeltaTable;
use deltalake::arrow::array::AsArray;
use deltalake::arrow::datatypes::Int64Type;
use deltalake::datafusion::datasource::MemTable;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};
use futures::FutureExt;

use super::context::Run;
use super::inputs::{Inputs, rows_of};
use super::report::{Gap, How, Layer, Report, TableReport};
use super::state::{GoldState, State};
use crate::delta::{Part, Staged};
use crate::engine::{Engine, in_memory, keep, register, run_script, search, sql};
use crate::error::{Result, Trying};
use crate::sql::{GoldTable, Script};

/// The table's name.
const TABLE: &str = "rejected";

/// What is to become of the rejected rows of one published table.
pub(super) enum Rejections {
    /// They stay.
    Unchanged,
    /// Those with these keys are replaced by these rows.
    Changes { keys: Arc<MemTable>, rows: Arc<MemTable> },
    /// All of them are computed.
    Whole,
}

impl Rejections {
    /// Of a session in which the tables are narrowed to what belongs to the affected keys.
    pub(super) async fn changes(table: &GoldTable, session: &SessionContext) -> Result<Self> {
        let Some(script) = &table.rejected else { return Ok(Self::Unchanged) };
        let keys = format!("select distinct '{}' as published_table, key from affected", table.name());
        let (keys, _) = in_memory("keys", sql(session, table.name(), &keys).await?).await?;
        let (rows, _) = in_memory("rejected", rejections(table, script, session).await?).await?;
        Ok(Self::Changes { keys, rows })
    }

    /// Whether memory can hold the rows.
    fn is_small(&self, table: &GoldTable) -> bool {
        !matches!(self, Self::Whole) || table.is_small()
    }
}

/// Keeps the table of rejected rows.
pub(super) async fn rejected(
    run: &Run<'_>,
    state: &mut State,
    inputs: &Inputs,
    parts: Vec<(&GoldTable, Rejections)>,
    report: &mut Report,
) -> Result<()> {
    let started = Instant::now();
    let parts: Vec<_> =
        parts.into_iter().filter_map(|(table, part)| Some((table, table.rejected.as_ref()?, part))).collect();
    if parts.is_empty() {
        return Ok(());
    }
    let made_by = run.made_by(&parts.iter().map(|(_, script, _)| Some(*script)).collect::<Vec<_>>());
    let reads: Vec<String> = parts.iter().flat_map(|(table, ..)| table.reads.clone()).collect();
    let present = run.location(Layer::Quality, TABLE).open().await?;
    let known = state.rejected.as_ref().is_some_and(|known| {
        present.as_ref().and_then(DeltaTable::version) == Some(known.version)
            && known.made_by == made_by
            && known.inputs == inputs.before(&reads)
            && !run.reconcile
    });
    let rejected = Rejected { run, inputs, present: present.as_ref() };
    let (how, staged) = match &present {
        Some(_) if known && inputs.unchanged(&reads) => (How::Unchanged, None),
        Some(present) if known && parts.iter().all(|(table, _, part)| part.is_small(table)) => {
            (How::Changes, rejected.changes(present, parts).await?)
        }
        _ => (How::Whole, rejected.whole(&parts).await?),
    };
    let mut entry = TableReport::new(Layer::Quality, TABLE, how);
    let table = match staged {
        None => present,
        Some(staged) => {
            entry.counts = staged.counts;
            Some(staged.commit().await?)
        }
    };
    let Some(table) = table else { return Ok(()) };
    report.rejected = reasons(run, &table).await?;
    entry.finished(&table, started)?;
    report.tables.push(entry);
    let version = table.version().unwrap_or_default();
    state.rejected = Some(GoldState { version, made_by, as_of: run.as_of, inputs: inputs.now(&reads) });
    Ok(())
}

struct Rejected<'a> {
    run: &'a Run<'a>,
    inputs: &'a Inputs,
    present: Option<&'a DeltaTable>,
}

impl Rejected<'_> {
    async fn whole(&self, parts: &[(&GoldTable, &Script, Rejections)]) -> Result<Option<Staged>> {
        self.run.engine.within_memory(TABLE, |engine| self.difference(engine, parts).boxed()).await
    }

    async fn difference(&self, engine: Engine, parts: &[(&GoldTable, &Script, Rejections)]) -> Result<Option<Staged>> {
        let mut all = Vec::new();
        let mut names = vec![String::new()];
        for (table, script, _) in parts {
            let session = self.inputs.session(self.run, &engine, None)?;
            let holds = format!("published_table = '{}'", table.name());
            all.push(Part { rows: rejections(table, script, &session).await?, holds });
            names.push(table.name().to_owned());
        }
        let rows = unreadable(self.run, self.inputs, &engine.session(), true).await?;
        let rows = rows.distinct().trying("gather unreadable values")?;
        let holds = format!("published_table is null or published_table not in ('{}')", names.join("', '"));
        all.push(Part { rows, holds });
        self.run.stager(&engine, Layer::Quality, TABLE)?.difference(self.present.cloned(), all).await
    }

    async fn changes(
        &self,
        present: &DeltaTable,
        parts: Vec<(&GoldTable, &Script, Rejections)>,
    ) -> Result<Option<Staged>> {
        let session = self.run.engine.session();
        let gathering = "gather rejected rows";
        let mut wanted = unreadable(self.run, self.inputs, &session, false).await?;
        let mut keys = sql(&session, "rejected", "select '' as published_table, '' as key where false").await?;
        let mut whole = vec![String::new()];
        for (table, script, part) in parts {
            match part {
                Rejections::Unchanged => {}
                Rejections::Changes { keys: affected, rows } => {
                    wanted = wanted.union(session.read_table(rows).trying(gathering)?).trying(gathering)?;
                    keys = keys.union(session.read_table(affected).trying(gathering)?).trying(gathering)?;
                }
                Rejections::Whole => {
                    let inputs = self.inputs.session(self.run, self.run.engine, None)?;
                    wanted = wanted.union(rejections(table, script, &inputs).await?).trying(gathering)?;
                    whole.push(table.name().to_owned());
                }
            }
        }
        keep(&session, "wanted", wanted.distinct().trying(gathering)?).await?;
        keep(&session, "keys", keys).await?;
        register(&session, "present", rows_of(self.run, present).await?)?;
        let affected = format!(
            "select rejection_id as key from present \
             left semi join keys on keys.key = present.key and keys.published_table = present.published_table \
             union select rejection_id as key from present where published_table in ('{}') \
             union select rejection_id as key from wanted",
            whole.join("', '")
        );
        let affected = search(sql(&session, "rejected", &affected).await?);
        let wanted = session.table("wanted").await.trying(gathering)?;
        self.run.stager(self.run.engine, Layer::Quality, TABLE)?.changes(present.clone(), wanted, affected).await
    }
}

/// What a script rejects, as rows of the table of rejected rows.
async fn rejections(table: &GoldTable, script: &Script, session: &SessionContext) -> Result<DataFrame> {
    register(session, "rejections", run_script(session, script).await?.into_view())?;
    let name = table.name();
    let statement = format!(
        "select concat_ws('/', '{name}', source_table, source_id, reason) as rejection_id, '{name}' as published_table, \
         source_table, source_id, dataareaid as company, key, recorded_at, reason from rejections"
    );
    sql(session, name, &statement).await
}

const NO_TIME: &str = "arrow_cast(null, 'Timestamp(Microsecond, Some(\"UTC\"))') as recorded_at";

/// Values of change files that could not be read, of all files or of those that this run read.
async fn unreadable(run: &Run<'_>, inputs: &Inputs, session: &SessionContext, all_files: bool) -> Result<DataFrame> {
    let none = format!(
        "select '' as rejection_id, '' as published_table, '' as source_table, '' as source_id, '' as company, '' as key, \
         {NO_TIME}, '' as reason where false"
    );
    let mut all = sql(session, "rejected", &none).await?;
    for (name, source) in run.export.sources.iter().filter(|(_, source)| source.is_text()) {
        let since = inputs.silver.get(name).and_then(|input| input.since.as_ref()).filter(|_| !all_files);
        let Some(rows) = source.unreadable(session, since)? else { continue };
        register(session, &format!("unreadable_{name}"), rows.into_view())?;
        let statement = format!(
            "select concat_ws('/', '{name}', id, 'unreadable', column_name) as rejection_id, cast(null as varchar) as \
             published_table, '{name}' as source_table, id as source_id, cast(null as varchar) as company, \
             cast(null as varchar) as key, {NO_TIME}, 'unreadable_' || column_name as reason from unreadable_{name}"
        );
        all = all.union(sql(session, name, &statement).await?).trying("gather unreadable values")?;
    }
    Ok(all)
}

async fn reasons(run: &Run<'_>, table: &DeltaTable) -> Result<std::collections::BTreeMap<String, u64>> {
    let session = run.engine.session();
    register(&session, "rejected", rows_of(run, table).await?)?;
    let counted = "select cast(reason as varchar) as reason, count(*) as rows from rejected group by reason";
    let batches = sql(&session, "rejected", counted).await?.collect().await.trying("count rejected rows")?;
    let mut reasons = std::collections::BTreeMap::new();
    for batch in &batches {
        let names = deltalake::arrow::compute::cast(batch.column(0), &deltalake::arrow::datatypes::DataType::Utf8)
            .map_err(deltalake::DeltaTableError::from)
            .trying("count rejected rows")?;
        let counts = batch.column(1).as_primitive::<Int64Type>();
        for (name, count) in names.as_string::<i32>().iter().zip(counts) {
            reasons.insert(name.unwrap_or_default().to_owned(), count.unwrap_or_default().unsigned_abs());
        }
    }
    Ok(reasons)
}

/// References between published tables that lead nowhere.
pub(super) async fn gaps(run: &Run<'_>) -> Result<Vec<Gap>> {
    let session = run.engine.session();
    let mut present = Vec::new();
    for table in &run.catalog.gold {
        let Some(open) = run.gold(table.name()).open().await? else { continue };
        register(&session, table.name(), rows_of(run, &open).await?)?;
        present.push(table.name());
    }
    let mut gaps = Vec::new();
    for check in &run.catalog.checks {
        let reads = check.directive("reads").unwrap_or_default();
        if !reads.split(',').all(|table| present.contains(&table.trim())) {
            continue;
        }
        let batches = run_script(&session, check).await?.collect().await.trying(format!("check {}", check.name))?;
        let value = |column: usize| {
            let batch = batches.iter().find(|batch| batch.num_rows() > 0);
            batch.map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0).unsigned_abs())
        };
        gaps.push(Gap { check: check.name.clone(), about: check.about.clone(), gaps: value(0), of: value(1) });
    }
    Ok(gaps)
}
