//! What a run did, for a person and for a program.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Instant;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;
use serde::Serialize;

use super::gate::Problem;
use crate::delta::{Counts, Upkeep, row_count};
use crate::error::Result;
use crate::lake::Position;

/// Where a table lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Layer {
    /// Standardised.
    Silver,
    /// Published.
    Gold,
    /// About the others.
    Quality,
}

/// How a table was brought up to date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// There was nothing to do.
    Unchanged,
    /// By looking at what changed.
    Changes,
    /// By computing all of it, and writing what differs.
    Whole,
}

/// What was done to a table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReport {
    /// Where it lies.
    pub layer: Layer,
    /// Its name.
    pub table: String,
    /// How it was brought up to date.
    pub how: How,
    /// Its rows.
    #[serde(flatten)]
    pub counts: Counts,
    /// Its version now; none if it was not published.
    pub version: Option<u64>,
    /// Whether its columns changed, which makes Customer Insights - Data read all of it again.
    pub columns_change: bool,
    /// What upkeep did.
    pub upkeep: Upkeep,
    /// Time taken, in milliseconds.
    pub milliseconds: u64,
}

/// References that lead nowhere.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gap {
    /// Name of the check.
    pub check: String,
    /// What it asks.
    pub about: String,
    /// How many lead nowhere.
    pub gaps: u64,
    /// Of how many.
    pub of: u64,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The time whose names and addresses are published.
    pub as_of: DateTime<Utc>,
    /// Whether everything was compared.
    pub reconciled: bool,
    /// The tables, in the order of work.
    pub tables: Vec<TableReport>,
    /// Gold tables whose main source the export lacks.
    pub left_out: Vec<String>,
    /// Rejected rows, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// References that lead nowhere.
    pub gaps: Vec<Gap>,
    /// The latest time at which the export wrote a row.
    pub newest_source_row: Option<DateTime<Utc>>,
    /// Why nothing was published; empty if it was.
    pub problems: Vec<Problem>,
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
            upkeep: Upkeep::default(),
            milliseconds: 0,
        }
    }

    /// Whether rows of it changed.
    pub fn changed(&self) -> bool {
        self.counts.inserted + self.counts.updated + self.counts.deleted > 0
    }

    fn add(&mut self, earlier: &Self) {
        self.counts.before = earlier.counts.before;
        self.counts.inserted += earlier.counts.inserted;
        self.counts.updated += earlier.counts.updated;
        self.counts.deleted += earlier.counts.deleted;
        self.columns_change |= earlier.columns_change;
        self.upkeep.compacted += earlier.upkeep.compacted;
        self.upkeep.removed += earlier.upkeep.removed;
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
            rejected: BTreeMap::new(),
            gaps: Vec::new(),
            newest_source_row: None,
            problems: Vec::new(),
            milliseconds: 0,
        }
    }

    /// The same run's report, with what an earlier part of it did; which is all that it did if the gate stopped the later one.
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

    /// Whether the gate let the results through.
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

    pub(super) fn seen(&mut self, position: &Position) {
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
        for (reason, rows) in &self.rejected {
            writeln!(f, "rejected: {reason}: {rows}")?;
        }
        for gap in self.gaps.iter().filter(|gap| gap.gaps > 0) {
            writeln!(f, "gap: {} ({} of {})", gap.about, gap.gaps, gap.of)?;
        }
        for table in &self.left_out {
            writeln!(f, "left out: {table}, for the export lacks its main table")?;
        }
        let published = self.tables.iter().any(|table| table.layer == Layer::Gold && table.version.is_some());
        let what = if published {
            "the comparison of everything; what had changed was published"
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

/// Words to the left, numbers to the right.
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
