//! `prepare-data sample-lake`: the command line.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::{FolderNames, Format, Options, PartyTypes, SampleError, Summary, change, generate, purge, remove};

/// Makes a sample lake, or adds changes to an existing one.
#[derive(Debug, Clone, clap::Args)]
pub struct SampleArgs {
    /// Folder of the lake
    #[arg(long)]
    pub out: PathBuf,
    /// Customers, over all companies
    #[arg(long, default_value_t = Options::default().customers)]
    pub customers: u64,
    /// Lines of sales orders and store transactions together
    #[arg(long, default_value_t = Options::default().lines)]
    pub lines: u64,
    /// The same seed makes the same lake
    #[arg(long, default_value_t = Options::default().seed)]
    pub seed: u64,
    /// Legal entities
    #[arg(long, default_value_t = Options::default().companies, value_parser = clap::value_parser!(u32).range(1..=999))]
    pub companies: u32,
    /// Amount of errors in the data: 1 is the usual amount, 0 a clean lake
    #[arg(long, default_value_t = Options::default().dirt)]
    pub dirt: f64,
    /// Form of the export
    #[arg(long, value_enum, default_value_t = Format::Delta)]
    pub format: Format,
    /// How the change folders of the CSV form are named
    #[arg(long, value_enum, default_value_t = FolderNames::Dots)]
    pub folder_names: FolderNames,
    /// When the lake was exported, such as 2026-11-15T00:00:00Z
    #[arg(long, default_value_t = Options::default().as_of)]
    pub as_of: DateTime<Utc>,
    /// Type numbers of persons, organisations, teams, operating units and legal entities
    #[arg(long, value_delimiter = ',', num_args = 5, value_name = "NUMBER")]
    pub party_types: Option<Vec<i64>>,
    /// Table that the export leaves out; may be repeated
    #[arg(long, value_name = "TABLE")]
    pub without: Vec<String>,
    /// Remove the sample lake that is in the folder first
    #[arg(long)]
    pub replace: bool,
    /// Change this share of an existing lake's customers and lines (0.002 is a usual day: new sales of the day, changes of those
    /// of the last weeks, two per mille of the customers); options for a new lake are ignored
    #[arg(long, value_name = "SHARE", conflicts_with = "replace")]
    pub change: Option<f64>,
    /// Days that pass with a change
    #[arg(long, default_value_t = 1, requires = "change")]
    pub days: u32,
    /// Drop soft deletes of an existing Delta lake that are older than 28 days
    #[arg(long, conflicts_with = "replace")]
    pub purge: bool,
}

/// Runs the command. A change comes before a purge.
///
/// # Errors
/// Those of [`generate`], [`change`] and [`purge`].
pub async fn run(args: SampleArgs) -> Result<Summary, SampleError> {
    let out = args.out.clone();
    match (args.change, args.purge) {
        (Some(share), false) => change(&out, share, args.days).await,
        (None, true) => purge(&out).await,
        (Some(share), true) => {
            change(&out, share, args.days).await?;
            purge(&out).await
        }
        (None, false) => {
            if args.replace && out.exists() {
                remove(&out)?;
            }
            generate(&out, args.into()).await
        }
    }
}

impl From<SampleArgs> for Options {
    fn from(args: SampleArgs) -> Self {
        let party_types = match args.party_types.as_deref() {
            Some(&[person, organization, team, operating_unit, legal_entity]) => {
                PartyTypes { person, organization, team, operating_unit, legal_entity }
            }
            _ => PartyTypes::default(),
        };
        Self {
            customers: args.customers,
            lines: args.lines,
            seed: args.seed,
            companies: args.companies,
            dirt: args.dirt,
            format: args.format,
            folder_names: args.folder_names,
            as_of: args.as_of,
            party_types,
            without: args.without,
        }
    }
}
