//! The settings of a preparation.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::available_parallelism;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::lake::DEFAULT_PATTERNS;
use crate::location::Location;
use crate::sql::Catalog;

/// Which layers are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layers {
    /// Bronze, silver and gold. Silver tables are stored, so that a run reads only what changed.
    #[default]
    Three,
    /// Bronze and gold. Less storage, and every run reads the whole export.
    Two,
}

/// The settings of a preparation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The export.
    pub lake: Location,
    /// Folder for silver, gold and quality.
    pub prepared: Location,
    /// Paths of tables in the export, with `{table}` in the last part of each.
    pub patterns: Vec<String>,
    /// Which layers are stored.
    pub layers: Layers,
    /// Folder of SQL files to use instead of the built-in ones.
    pub sql: Option<PathBuf>,
    /// Folder of own columns and own tables over these files.
    pub sql_overlay: Option<PathBuf>,
    /// The time whose names and addresses are published; the default is now.
    pub as_of: Option<DateTime<Utc>>,
    /// Values for the table `parameters`, by name.
    pub parameters: BTreeMap<String, String>,
    /// The companies to publish, in lower case and sorted; none for all.
    pub companies: Vec<String>,
    /// Names of party types, by number, as `12506 = Person`.
    pub party_types: BTreeMap<i64, String>,
    /// Whether all rows are compared, even those that did not change since the last run.
    pub full: bool,
    /// A table that is computed anew, instead of from its changes.
    pub rebuild: Option<String>,
    /// Time between two comparisons of all rows. An export drops deleted rows after 28 days.
    pub reconcile_after: TimeDelta,
    /// A run stops if it would remove more than this share of a table's rows.
    pub vanishing_share: f64,
    /// Bytes for sorting, grouping and joining before they spill to disk.
    pub memory: usize,
    /// Threads of a statement.
    pub threads: usize,
}

impl Settings {
    /// Default settings for an export and a folder for the results.
    pub fn new(lake: Location, prepared: Location) -> Self {
        Self {
            lake,
            prepared,
            patterns: DEFAULT_PATTERNS.map(str::to_owned).to_vec(),
            layers: Layers::default(),
            sql: None,
            sql_overlay: None,
            as_of: None,
            parameters: BTreeMap::new(),
            companies: Vec::new(),
            party_types: BTreeMap::new(),
            full: false,
            rebuild: None,
            reconcile_after: TimeDelta::days(7),
            vanishing_share: 0.2,
            memory: 1200 * 1024 * 1024,
            threads: available_parallelism().map_or(2, usize::from),
        }
    }
    /// The SQL files.
    ///
    /// # Errors
    /// As [`Catalog::load_with`].
    pub fn catalog(&self) -> Result<Catalog> {
        Catalog::load_with(self.sql.as_deref(), self.sql_overlay.as_deref())
    }
}
