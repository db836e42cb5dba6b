//! What a preparation is told.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::lake::{DEFAULT_PATTERNS, Location};

/// How many layers are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layers {
    /// Bronze, silver and gold: silver tables are kept, for this and for other purposes, and make a run look only at what
    /// changed.
    #[default]
    Three,
    /// Bronze and gold: less storage, and every run reads the whole export.
    Two,
}

/// What a preparation is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The export.
    pub lake: Location,
    /// Where silver, gold and quality go.
    pub prepared: Location,
    /// Where tables are looked for in the export, with `{table}` in the last part of each.
    pub patterns: Vec<String>,
    /// How many layers are kept.
    pub layers: Layers,
    /// A folder of SQL files in place of those that came with the program.
    pub sql: Option<std::path::PathBuf>,
    /// The time whose names and addresses are published; now, if nothing is said.
    pub as_of: Option<DateTime<Utc>>,
    /// Values for the table `parameters`, by name.
    pub parameters: BTreeMap<String, String>,
    /// Names of party types, by number, as `12506 = Person`.
    pub party_types: BTreeMap<i64, String>,
    /// Whether everything is compared, whatever is known of the last run.
    pub full: bool,
    /// Everything is compared after this time even so: an export drops deleted rows after 28 days.
    pub reconcile_after: TimeDelta,
    /// A run that would take more than this share of a table's rows away stops.
    pub vanishing_share: f64,
    /// Bytes that sorting, grouping and joining may use before they spill to disk.
    pub memory: usize,
    /// How many things are done at once.
    pub threads: usize,
}

impl Settings {
    /// Defaults for an export and a place for the results.
    pub fn new(lake: Location, prepared: Location) -> Self {
        Self {
            lake,
            prepared,
            patterns: DEFAULT_PATTERNS.map(str::to_owned).to_vec(),
            layers: Layers::default(),
            sql: None,
            as_of: None,
            parameters: BTreeMap::new(),
            party_types: BTreeMap::new(),
            full: false,
            reconcile_after: TimeDelta::days(7),
            vanishing_share: 0.2,
            memory: 1200 * 1024 * 1024,
            threads: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}
