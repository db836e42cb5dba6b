//! A sample lake: the tables of a Commerce shop as Synapse Link exports them, of any size, with all
//! typical errors of such data. Seeded: the same options give the same content, file by file.
//!
//! Every row follows from the seed and its number, so that tables agree without lookups and nothing is kept in memory.

mod args;
mod channel;
mod columns;
mod csv;
mod customer;
mod delta;
mod error;
mod lifecycle;
mod options_metadata;
mod plan;
mod random;
mod ratios;
mod record;
mod sale;
mod shape;
mod shop;
mod state;
mod summary;
mod tables;
mod timestamp;
mod vocab;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use serde::{Deserialize, Serialize};

pub use crate::{
    args::{SampleArgs, run},
    error::SampleError,
    summary::{Summary, TableSummary},
};

use crate::{
    shape::Table,
    shop::Shop,
    state::State,
    timestamp::{DAY, Timestamp},
};

/// How long Synapse Link keeps soft deletes in Delta tables.
const SOFT_DELETES_STAY_DAYS: i64 = 28;

/// What a sample lake is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// Customers, over all companies.
    pub customers: u64,
    /// Lines of sales orders and of store transactions together, nearly.
    pub lines: u64,
    /// Another seed, another lake.
    pub seed: u64,
    /// Legal entities; all have the same account and order numbers.
    pub companies: u32,
    /// Amount of errors in the data: 1 is the usual amount, 0 a clean lake.
    pub dirt: f64,
    /// Form of the export.
    pub format: Format,
    /// How change folders of the CSV form are named.
    pub folder_names: FolderNames,
    /// When the lake was exported. Never the present time by itself: the same options are to give the same lake.
    pub as_of: DateTime<Utc>,
    /// Values of `instancerelationtype`, which differ from one environment to the next.
    pub party_types: PartyTypes,
    /// Tables that the export leaves out.
    pub without: Vec<String>,
}

/// Form of the export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Delta tables below `deltalake/`, updated in place.
    Delta,
    /// Headerless CSV in change folders, with `model.json`.
    Csv,
}

/// How change folders are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FolderNames {
    /// `2026-11-15T00.00.00Z`, as seen in storage accounts.
    Dots,
    /// `2026-11-15T00:00:00.000Z`, as documented. No Windows folder can have this name.
    Colons,
}

/// Values of `instancerelationtype`: the table ids of the party types in one environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct PartyTypes {
    pub person: i64,
    pub organization: i64,
    pub team: i64,
    pub operating_unit: i64,
    pub legal_entity: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            customers: 1_000,
            lines: 10_000,
            seed: 1,
            companies: 3,
            dirt: 1.0,
            format: Format::Delta,
            folder_names: FolderNames::Dots,
            as_of: DateTime::from_timestamp_nanos(1_794_700_800_000_000_000), // 2026-11-15
            party_types: PartyTypes::default(),
            without: Vec::new(),
        }
    }
}

impl Default for PartyTypes {
    /// Other numbers than those of the published notebook.
    fn default() -> Self {
        Self { person: 15_904, organization: 3_021, team: 7_717, operating_unit: 9_130, legal_entity: 11_482 }
    }
}

/// What is being done to a lake.
#[derive(Debug, Clone, Copy)]
enum Work {
    First,
    /// The latest round of change.
    Change,
    /// Removes soft deletes that the purge before, up to `last`, did not remove.
    Purge {
        last: Timestamp,
    },
}

/// Most customers, and most lines: what record ids have room for.
const MOST: u64 = 1_000_000_000;

/// Makes a lake in a folder that is empty or does not exist yet.
///
/// # Errors
/// When the folder has something in it, or cannot be written to.
pub async fn generate(folder: &Path, options: Options) -> Result<Summary, SampleError> {
    let names: Vec<_> = tables::all().iter().map(|table| table.name()).collect();
    if let Some(unknown) = options.without.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(SampleError::UnknownTable { name: unknown.clone(), known: names.join(", ") });
    }
    if options.customers.max(options.lines) > MOST {
        return Err(SampleError::TooLarge);
    }
    std::fs::create_dir_all(folder).map_err(|source| SampleError::file("make", folder, source))?;
    let mut entries = std::fs::read_dir(folder).map_err(|source| SampleError::file("read", folder, source))?;
    if entries.next().is_some() {
        return Err(SampleError::NotEmpty { folder: folder.to_owned() });
    }
    let state = State::new(options);
    let summary = export(folder, &state, Work::First).await?;
    state.write(folder)?;
    Ok(summary)
}

/// Adds changes to a lake that [`generate`] made: the given share of customers and lines changes or is new, within this
/// number of days. May be repeated.
///
/// # Errors
/// The folder contains no sample lake, or cannot be written to.
pub async fn change(folder: &Path, share: f64, days: u32) -> Result<Summary, SampleError> {
    if !(0.0..=1.0).contains(&share) || days == 0 {
        return Err(SampleError::Change { share, days });
    }
    let mut state = State::read(folder)?;
    state.rounds.push(state::Round { share, days });
    let summary = export(folder, &state, Work::Change).await?;
    state.write(folder)?;
    Ok(summary)
}

/// Drops soft deletes that are more than 28 days older than the lake from its Delta tables, as Synapse Link does. A lake
/// of CSV keeps everything.
///
/// # Errors
/// The folder contains no sample lake, or cannot be written to.
pub async fn purge(folder: &Path) -> Result<Summary, SampleError> {
    let mut state = State::read(folder)?;
    let last = state.purged_before.unwrap_or(Timestamp::NEVER);
    state.purged_before = Some(Shop::of(&state).as_of().plus(-SOFT_DELETES_STAY_DAYS * DAY));
    let summary = export(folder, &state, Work::Purge { last }).await?;
    state.write(folder)?;
    Ok(summary)
}

/// Removes a sample lake, and nothing else.
///
/// # Errors
/// The folder contains no sample lake, or cannot be removed.
pub fn remove(folder: &Path) -> Result<(), SampleError> {
    State::read(folder)?;
    std::fs::remove_dir_all(folder).map_err(|source| SampleError::file("remove", folder, source))
}

async fn export(folder: &Path, state: &State, work: Work) -> Result<Summary, SampleError> {
    let options = &state.options;
    let tables = tables::all().into_iter().map(Arc::<dyn Table>::from);
    let tables = tables.filter(|table| options.without.iter().all(|name| name != table.name())).collect();
    let export = Export { folder: folder.to_owned(), shop: Shop::of(state), options: options.clone(), tables };
    match options.format {
        Format::Delta => delta::write(Arc::new(export), work).await,
        Format::Csv => csv::write(Arc::new(export), work).await,
    }
}

/// All that writing a lake needs to know.
struct Export {
    folder: PathBuf,
    shop: Shop,
    options: Options,
    tables: Vec<Arc<dyn Table>>,
}

/// Does something for each table, as many at once as there are processors.
async fn for_each_table<F, T>(export: &Arc<Export>, work: F) -> Result<Vec<T>, SampleError>
where
    F: Fn(Arc<Export>, Arc<dyn Table>) -> BoxFuture<'static, Result<T, SampleError>>,
    T: Send + 'static,
{
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    stream::iter(export.tables.clone())
        .map(|table| tokio::spawn(work(Arc::clone(export), table)))
        .buffered(at_once)
        .map(|written| written?)
        .try_collect()
        .await
}
