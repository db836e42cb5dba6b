//! Maintains the tables that a run changed.

use chrono::TimeDelta;

use super::context::Run;
use super::report::Report;
use super::state::State;
use crate::error::Result;

/// Time between two runs that maintain tables.
const INTERVAL: TimeDelta = TimeDelta::days(1);

/// Merges small files and removes unneeded ones.
pub(super) async fn maintain(run: &Run<'_>, state: &mut State, report: &mut Report) -> Result<()> {
    if state.maintained_at.is_some_and(|last| run.as_of - last < INTERVAL) {
        return Ok(());
    }
    for table in report.tables.iter_mut().filter(|table| table.changed()) {
        let location = run.location(table.layer, &table.table);
        let Some(open) = location.open().await? else { continue };
        let writer = run.table_writer(run.engine, table.layer, &table.table)?;
        let (maintained, maintenance) = writer.maintain(open).await?;
        table.maintenance = maintenance;
        let version = maintained.version().unwrap_or_default();
        if table.version != Some(version) {
            table.version = Some(version);
            state.moved(table.layer, &table.table, version);
        }
    }
    state.maintained_at = Some(run.as_of);
    Ok(())
}
