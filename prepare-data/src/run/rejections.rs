//! Source rows that are in no published table, with the reason.

use std::sync::Arc;

use deltalake::datafusion::catalog::TableProvider;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use super::context::Run;
use super::inputs::Inputs;
use crate::engine::{in_memory, register, run_script, sql};
use crate::error::{Context, Result};
use crate::sql::{GoldTable, Script};

/// How the rejected rows of one published table are updated.
pub(super) enum Rejections {
    /// They stay as they are.
    Unchanged,
    /// Rows with these keys are replaced by these rows.
    Changes { keys: Arc<dyn TableProvider>, rows: Arc<dyn TableProvider> },
    /// All rows are computed.
    Whole,
}

impl Rejections {
    /// The rejected rows of the affected keys. In this session, the tables contain only rows of these keys.
    pub(super) async fn changes(table: &GoldTable, session: &SessionContext) -> Result<Self> {
        let Some(script) = &table.rejected else { return Ok(Self::Unchanged) };
        let keys = format!("select distinct '{}' as published_table, key from affected", table.name());
        let (keys, _) = in_memory("keys", sql(session, table.name(), &keys).await?).await?;
        let (rows, _) = in_memory("rejected", rejected_rows(table, script, session).await?).await?;
        Ok(Self::Changes { keys, rows })
    }

    /// Whether the rows fit in memory.
    pub(super) fn is_small(&self, table: &GoldTable) -> bool {
        !matches!(self, Self::Whole) || table.is_small()
    }
}

/// The rows that a script rejects, in the columns of the table of rejected rows.
pub(super) async fn rejected_rows(table: &GoldTable, script: &Script, session: &SessionContext) -> Result<DataFrame> {
    register(session, "rejections", run_script(session, script).await?.into_view())?;
    let name = table.name();
    let statement = format!(
        "select concat_ws('/', '{name}', source_table, source_id, reason) as rejection_id, '{name}' as published_table, \
         source_table, source_id, dataareaid as company, key, recorded_at, reason from rejections"
    );
    sql(session, name, &statement).await
}

const NO_TIME: &str = "arrow_cast(null, 'Timestamp(Microsecond, Some(\"UTC\"))') as recorded_at";

/// Unreadable values in change files: in all files, or in those that this run read.
pub(super) async fn unreadable_values(
    run: &Run<'_>,
    inputs: &Inputs,
    session: &SessionContext,
    all_files: bool,
) -> Result<DataFrame> {
    let none = format!(
        "select '' as rejection_id, '' as published_table, '' as source_table, '' as source_id, '' as company, '' as key, \
         {NO_TIME}, '' as reason where false"
    );
    let mut all = sql(session, "rejected", &none).await?;
    for (name, source) in run.export.sources.iter().filter(|(_, source)| source.is_text()) {
        let since = inputs.silver.get(name).and_then(|input| input.since.as_ref()).filter(|_| !all_files);
        let Some(rows) = source.unreadable(session, since).await? else { continue };
        register(session, &format!("unreadable_{name}"), rows.into_view())?;
        let statement = format!(
            "select concat_ws('/', '{name}', id, 'unreadable', column_name) as rejection_id, cast(null as varchar) as \
             published_table, '{name}' as source_table, id as source_id, cast(null as varchar) as company, \
             cast(null as varchar) as key, {NO_TIME}, 'unreadable_' || column_name as reason from unreadable_{name}"
        );
        all = all.union(sql(session, name, &statement).await?).context("collect unreadable values")?;
    }
    Ok(all)
}
