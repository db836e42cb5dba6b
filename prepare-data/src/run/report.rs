//! The report of a run, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use serde::Serialize;

use super::gate_error::GateError;
use super::layer::{How, Layer};
use crate::delta::{Counts, Maintenance, row_count};
use crate::error::Result;
use crate::lake::{Position, SkippedFolder};
use crate::overlay::Additions;

/// What was done to a table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Its layer.
    pub layer: Layer,
    /// Its name.
    pub table: String,
    /// How it was updated.
    pub how: How,
    /// Counts of its rows.
    #[serde(flatten)]
    pub counts: Counts,
    /// Its version now; `None` if it was not published.
    pub version: Option<u64>,
    /// Whether its columns changed, which makes Customer Insights - Data read the whole table again.
    pub columns_change: bool,
    /// What maintenance did to it.
    pub maintenance: Maintenance,
    /// Time taken, in milliseconds.
    pub milliseconds: u64,
}

/// The result of a check: references without a target.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Name of the check.
    pub check: String,
    /// Its description.
    pub about: String,
    /// References without a target.
    pub gaps: u64,
    /// All references.
    pub of: u64,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The time whose names and addresses are published.
    pub as_of: DateTime<Utc>,
    /// Whether all rows were compared.
    pub reconciled: bool,
    /// The tables, in the order of work.
    pub tables: Vec<TableReport>,
    /// Gold tables whose main source is not exported.
    pub left_out: Vec<String>,
    /// Change folders that were not read, because the export did not finish them.
    pub skipped_folders: Vec<SkippedFolder>,
    /// What an overlay adds to the published tables.
    #[serde(skip_serializing_if = "Additions::is_empty")]
    pub overlay: Additions,
    /// Rejected rows, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Results of the checks.
    pub gaps: Vec<Gap>,
    /// The newest time of writing in the export.
    pub newest_source_row: Option<DateTime<Utc>>,
    /// Why nothing was published; empty if it was.
    pub problems: Vec<GateError>,
    /// Time taken, in milliseconds.
    pub milliseconds: u64,
}

impl TableReport {
    pub(super) fn new(layer: Layer, table: &str, how: How) -> Self {
        Self {
            layer,
            table: table.to_owned(),
            how,
            counts: Counts::default(),
            version: None,
            columns_change: false,
            maintenance: Maintenance::default(),
            milliseconds: 0,
        }
    }

    /// Whether its rows changed.
    pub fn changed(&self) -> bool {
        self.counts.inserted + self.counts.updated + self.counts.deleted > 0
    }

    fn add(&mut self, earlier: &Self) {
        self.counts.before = earlier.counts.before;
        self.counts.inserted += earlier.counts.inserted;
        self.counts.updated += earlier.counts.updated;
        self.counts.deleted += earlier.counts.deleted;
        self.columns_change |= earlier.columns_change;
        self.maintenance.compacted += earlier.maintenance.compacted;
        self.maintenance.removed += earlier.maintenance.removed;
        self.milliseconds += earlier.milliseconds;
    }

    pub(super) fn finished(&mut self, table: &DeltaTable, started: Instant) -> Result<()> {
        self.version = table.version();
        self.counts.after = row_count(table)?;
        if !self.changed() {
            self.counts.before = self.counts.after;
        }
        self.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(())
    }
}

impl Report {
    pub(super) fn new(as_of: DateTime<Utc>, reconciled: bool) -> Self {
        Self {
            as_of,
            reconciled,
            tables: Vec::new(),
            left_out: Vec::new(),
            skipped_folders: Vec::new(),
            overlay: Additions::default(),
            rejected: BTreeMap::new(),
            gaps: Vec::new(),
            newest_source_row: None,
            problems: Vec::new(),
            milliseconds: 0,
        }
    }

    /// Adds the report of an earlier part of the same run. If the gate stopped the later part, the earlier part is all that was done.
    pub(super) fn after(mut self, earlier: Self) -> Self {
        if !self.published_all() {
            return Self { problems: self.problems, ..earlier };
        }
        for table in &mut self.tables {
            if let Some(before) = earlier.table(table.layer, &table.table) {
                table.add(before);
            }
        }
        self
    }

    /// Whether everything was published: the gate did not stop the run.
    pub fn published_all(&self) -> bool {
        self.problems.is_empty()
    }

    /// The entry of a table.
    pub fn table(&self, layer: Layer, name: &str) -> Option<&TableReport> {
        self.tables.iter().find(|table| table.layer == layer && table.table == name)
    }

    pub(super) fn published(&mut self, name: &str, version: u64) {
        if let Some(table) = self.tables.iter_mut().find(|table| table.layer == Layer::Gold && table.table == name) {
            table.version = Some(version);
        }
    }

    pub(super) fn add_position(&mut self, position: &Position) {
        let written = match position {
            Position::Delta { written, .. } => DateTime::from_timestamp_micros(*written),
            Position::Csv { folder } => DateTime::parse_from_rfc3339(&format!("{folder}Z")).ok().map(Into::into),
        };
        let reasonable = written.filter(|time| time.timestamp() > 0);
        self.newest_source_row = self.newest_source_row.max(reasonable);
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = ["layer", "table", "how", "rows", "new", "changed", "gone", "version", "seconds"];
        let mut lines = vec![header.map(str::to_owned)];
        for table in &self.tables {
            let Counts { after, inserted, updated, deleted, .. } = table.counts;
            lines.push([
                word(&table.layer),
                table.table.clone(),
                word(&table.how),
                after.to_string(),
                inserted.to_string(),
                updated.to_string(),
                deleted.to_string(),
                table.version.map_or_else(|| "-".to_owned(), |version| version.to_string()),
                format!("{}.{:01}", table.milliseconds / 1000, table.milliseconds % 1000 / 100),
            ]);
        }
        columns(f, &lines)?;
        write!(f, "{}", self.overlay)?;
        for (reason, rows) in &self.rejected {
            writeln!(f, "rejected: {reason}: {rows}")?;
        }
        for gap in self.gaps.iter().filter(|gap| gap.gaps > 0) {
            writeln!(f, "gap: {} ({} of {})", gap.about, gap.gaps, gap.of)?;
        }
        for table in &self.left_out {
            writeln!(f, "left out: {table}, because its main table is not exported")?;
        }
        for SkippedFolder { folder, reason } in &self.skipped_folders {
            writeln!(f, "skipped: {folder}, because {reason}; its rows are expected in a later folder")?;
        }
        let published = self.tables.iter().any(|table| table.layer == Layer::Gold && table.version.is_some());
        let what = if published {
            "the comparison of all rows; what had changed was published"
        } else {
            "nothing was published"
        };
        for problem in &self.problems {
            let example = problem.example.as_ref().map(|key| format!(" (one of them: {key})")).unwrap_or_default();
            writeln!(f, "STOPPED, {what}: {}: {}{example}", problem.table, problem.message)?;
        }
        if let Some(newest) = self.newest_source_row {
            writeln!(f, "newest row of the export: {}", newest.format("%Y-%m-%d %H:%M:%S UTC"))?;
        }
        write!(f, "{}.{:01} s", self.milliseconds / 1000, self.milliseconds % 1000 / 100)
    }
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Aligns text to the left and numbers to the right.
fn columns(f: &mut std::fmt::Formatter<'_>, lines: &[[String; 9]]) -> std::fmt::Result {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..9).map(width).collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column < 3 { write!(text, "{cell:<width$}  ")? } else { write!(text, "{cell:>width$}  ")? }
        }
        writeln!(f, "{}", text.trim_end())?;
    }
    Ok(())
}
