//! The command line.

mod output;
mod run_args;
#[cfg(feature = "sample")]
mod sample;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};

pub use run_args::RunArgs;

use crate::contacts::SyncContactsArgs;
use crate::engine::Engine;
use crate::erase::erase;
use crate::error::{Error, Result};
use crate::inspect::inspect;
use crate::location::Location;
use crate::overlay;
use crate::run::prepare;
use crate::settings::Settings;
use crate::sql::Catalog;
use crate::test_sql::test_sql;
use crate::{contacts, dictionary, host};
use output::{print_line, print_report, print_run};

/// Prepares exported Commerce tables for Customer Insights - Data.
#[derive(Debug, Parser)]
#[command(name = "prepare-data", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prepare an export once
    Run(RunArgs),
    /// Print what a run would read of an export, and what is missing
    Inspect(RunArgs),
    /// Prepare an export once, and compute one table anew instead of from its changes
    Rebuild {
        /// The table, of silver or gold
        table: String,
        #[command(flatten)]
        run: RunArgs,
    },
    /// Delete a customer, who was deleted in the source, from the files that tables keep for thirty days
    Erase {
        /// The customer, as in customers.customer_id
        customer_id: String,
        /// Folder of silver, gold and quality
        #[arg(long, env = "PreparedLocation")]
        out: String,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Prepare on each timer invocation of the Functions host; started by the host
    Serve(RunArgs),
    /// Make a sample lake, or add changes to an existing one
    #[cfg(feature = "sample")]
    SampleLake(sample_lake::SampleArgs),
    /// Make a sample lake, prepare it, add a day of changes, and prepare it again
    #[cfg(feature = "sample")]
    Try(sample::TryArgs),
    /// Create and update contacts in Dataverse for the customers of gold, where Dual-write does not
    SyncContacts(SyncContactsArgs),
    /// Run test cases of the SQL files: a few rows for each, and what has to be published of them
    TestSql {
        /// Folder with a sub-folder for each case: input/TABLE.csv, expected/TABLE.csv
        folder: PathBuf,
        /// Folder of SQL files to use instead of the built-in ones
        #[arg(long)]
        sql: Option<PathBuf>,
        /// Folder of own columns and own tables over these files
        #[arg(long, value_name = "FOLDER")]
        sql_overlay: Option<PathBuf>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the data dictionary
    Dictionary {
        /// Folder of SQL files to use instead of the built-in ones
        #[arg(long)]
        sql: Option<PathBuf>,
        /// Folder of own columns and own tables over these files
        #[arg(long, value_name = "FOLDER")]
        sql_overlay: Option<PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// The command failed.
pub async fn main(cli: Cli) -> Result<ExitCode> {
    let started = Instant::now();
    match cli.command {
        Command::Run(args) => {
            let report = prepare(&args.settings()?).await?;
            Ok(print_run(&report, args.json))
        }
        Command::Inspect(args) => inspect_export(&args).await,
        Command::Rebuild { table, run } => {
            let settings = Settings { rebuild: Some(table), ..run.settings()? };
            Ok(print_run(&prepare(&settings).await?, run.json))
        }
        Command::Erase { customer_id, out, json } => {
            let prepared = Location::parse(&out)?;
            let settings = Settings::new(prepared.clone(), prepared);
            let engine = Engine::new(settings.memory, settings.threads)?;
            let erasure = erase(&settings.prepared, &customer_id, &engine).await?;
            print_report(&erasure, json);
            Ok(if erasure.is_complete() { ExitCode::SUCCESS } else { ExitCode::from(2) })
        }
        Command::Serve(args) => serve(args, started).await,
        #[cfg(feature = "sample")]
        Command::SampleLake(args) => sample::sample_lake(args).await,
        #[cfg(feature = "sample")]
        Command::Try(args) => sample::try_preparation(args).await,
        Command::SyncContacts(args) => sync_contacts(args).await,
        Command::TestSql { folder, sql, sql_overlay, json } => {
            let report = test_sql(&folder, sql.as_deref(), sql_overlay.as_deref()).await?;
            print_report(&report, json);
            Ok(if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Command::Dictionary { sql, sql_overlay } => {
            let catalog = Catalog::load_with(sql.as_deref(), sql_overlay.as_deref())?;
            print_line(&dictionary::markdown(&catalog).await?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The exit status is 1 if a run would fail.
async fn inspect_export(args: &RunArgs) -> Result<ExitCode> {
    let settings = args.settings()?;
    let catalog = settings.catalog()?;
    overlay::check(&catalog).await?;
    let inspection = inspect(&settings.lake, &settings.patterns, &catalog).await?;
    print_report(&inspection, args.json);
    Ok(if inspection.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn serve(args: RunArgs, started: Instant) -> Result<ExitCode> {
    let settings = args.settings()?;
    let environment = |name: &str| std::env::var(name).ok();
    let served = host::run(started, environment, move || host::prepare(settings.clone())).await;
    served.map(|()| ExitCode::SUCCESS).map_err(|error| Error::Settings(error.to_string()))
}

async fn sync_contacts(args: SyncContactsArgs) -> Result<ExitCode> {
    let json = args.json;
    let report = match contacts::run(args).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("prepare-data: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    print_report(&report, json);
    Ok(ExitCode::from(report.exit_code()))
}
