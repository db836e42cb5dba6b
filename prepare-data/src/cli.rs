//! The command line.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};
use crate::host;
use crate::lake::Location;
use crate::run::{Report, prepare};
use crate::settings::{Layers, Settings};
use crate::sql::{Catalog, dictionary};

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
    /// Prepare whenever the Functions host says so; started by the host
    Serve(RunArgs),
    /// Make a sample lake, or let the shop of an existing one go on
    SampleLake(crate::sample::SampleArgs),
    /// Make a sample lake, prepare it, let its shop go on for a day, and prepare it again
    Try(TryArgs),
    /// Make and update contacts in Dataverse for the customers of gold, where Dual-write does not
    SyncContacts(crate::contacts::SyncContactsArgs),
    /// Print the data dictionary
    Dictionary {
        /// A folder of SQL files in place of those that came with the program
        #[arg(long)]
        sql: Option<PathBuf>,
    },
}

/// What a run may be told; each has an environment variable, by which the function app sets it.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The export: a folder, or abfss://container@account.dfs.core.windows.net/folder
    #[arg(long, env = "LakeLocation")]
    pub lake: String,
    /// Where silver, gold and quality go
    #[arg(long, env = "PreparedLocation")]
    pub out: String,
    /// Where Delta tables are looked for in the export, with {table} in the last part; several are separated by commas
    #[arg(long, env = "LakeTablePattern", value_delimiter = ',')]
    pub table_pattern: Vec<String>,
    /// Keep silver tables (three), or only views (two)
    #[arg(long, env = "Layers", value_enum, default_value = "three", ignore_case = true)]
    pub layers: Layers,
    /// A folder of SQL files in place of those that came with the program
    #[arg(long, env = "SqlFolder")]
    pub sql: Option<PathBuf>,
    /// Language of product names, as en-us
    #[arg(long, env = "Language")]
    pub language: Option<String>,
    /// Other values for the table `parameters`, as category_hierarchy=Web
    #[arg(long = "parameter", env = "Parameters", value_delimiter = ',', value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Names of party types where sqldictionary is not exported, as 12506=Person
    #[arg(long = "party-type", env = "PartyTypes", value_delimiter = ',', value_name = "NUMBER=NAME")]
    pub party_types: Vec<String>,
    /// Publish the names and addresses valid at this time instead of now
    #[arg(long)]
    pub as_of: Option<DateTime<Utc>>,
    /// Compare everything, whatever is known of the last run
    #[arg(long)]
    pub full: bool,
    /// Days after which everything is compared even so; an export drops deleted rows after 28
    #[arg(long, env = "ReconcileAfterDays", default_value_t = 7)]
    pub reconcile_after_days: u16,
    /// Stop if a table would lose more than this share of its rows
    #[arg(long, env = "VanishingShare", default_value_t = 0.2)]
    pub vanishing_share: f64,
    /// Memory for sorting, grouping and joining before they spill to disk, in MiB
    #[arg(long, env = "MemoryMiB", default_value_t = 1200)]
    pub memory_mib: usize,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The settings that they mean.
    ///
    /// # Errors
    /// [`Error::Settings`] says which is wrong, and how it is written.
    pub fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::new(Location::parse(&self.lake)?, Location::parse(&self.out)?);
        if !self.table_pattern.is_empty() {
            settings.patterns.clone_from(&self.table_pattern);
        }
        settings.layers = self.layers;
        settings.sql.clone_from(&self.sql);
        settings.as_of = self.as_of;
        settings.parameters = pairs("parameter", &self.parameters)?;
        if let Some(language) = &self.language {
            settings.parameters.insert("language".to_owned(), language.to_lowercase());
        }
        for (number, name) in pairs("party-type", &self.party_types)? {
            let wrong =
                |_| Error::Settings(format!("the party type `{number}` is no number: write it as 12506=Person"));
            settings.party_types.insert(number.parse().map_err(wrong)?, name);
        }
        settings.full = self.full;
        settings.reconcile_after = chrono::TimeDelta::days(self.reconcile_after_days.into());
        settings.vanishing_share = self.vanishing_share;
        settings.memory = self.memory_mib * 1024 * 1024;
        Ok(settings)
    }
}

fn pairs(option: &str, values: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::Settings(format!("--{option} `{text}` lacks its `=`"))),
    };
    values.iter().filter(|text| !text.trim().is_empty()).map(pair).collect()
}

/// Does what the command line says.
///
/// # Errors
/// What was asked for could not be done.
pub async fn main(cli: Cli) -> Result<ExitCode> {
    let began = Instant::now();
    match cli.command {
        Command::Run(args) => {
            let report = prepare(&args.settings()?).await?;
            Ok(print(&report, args.json))
        }
        Command::Serve(args) => {
            let settings = args.settings()?;
            let environment = |name: &str| std::env::var(name).ok();
            let served = host::run(began, environment, move || host::prepare(settings.clone())).await;
            served.map(|()| ExitCode::SUCCESS).map_err(|problem| Error::Settings(problem.to_string()))
        }
        Command::SampleLake(args) => {
            say(&sample(args).await?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Try(args) => tryout(args).await,
        Command::SyncContacts(args) => sync_contacts(args).await,
        Command::Dictionary { sql } => {
            say(&dictionary(&Catalog::load(sql.as_deref())?).await?.trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Of a try.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Folder that the lake and the results go to; a sample that is there is replaced
    #[arg(long, default_value = "target/lake")]
    folder: PathBuf,
    /// Customers, over all companies
    #[arg(long, default_value_t = 2_000)]
    customers: u64,
    /// Lines of sales orders and store transactions together
    #[arg(long, default_value_t = 20_000)]
    lines: u64,
    /// Form of the export
    #[arg(long, value_enum, default_value_t = crate::sample::Format::Delta)]
    format: crate::sample::Format,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
}

/// The way from a clone to a report, without an account.
async fn tryout(args: TryArgs) -> Result<ExitCode> {
    let (lake, out) = (args.folder.join("sample"), args.folder.join("prepared"));
    if lake.exists() {
        crate::sample::remove(&lake).map_err(wrapped)?;
    }
    if out.join("state/state.json").exists() {
        std::fs::remove_dir_all(&out)
            .map_err(|error| Error::Settings(format!("cannot remove {}: {error}", out.display())))?;
    }
    let options = crate::sample::Options {
        customers: args.customers,
        lines: args.lines,
        format: args.format,
        ..crate::sample::Options::default()
    };
    let as_of = options.as_of;
    let summary = crate::sample::generate(&lake, options).await.map_err(wrapped)?;
    eprintln!("a lake of {} customers and {} lines: {}\n{summary}\n", args.customers, args.lines, lake.display());
    let place = |path: &std::path::Path| Location::parse(&path.to_string_lossy());
    let mut settings = Settings::new(place(&lake)?, place(&out)?);
    settings.as_of = Some(as_of);
    let first = prepare(&settings).await?;
    let code = print(&first, args.json);
    if !first.published_all() {
        return Ok(code);
    }
    crate::sample::change(&lake, 0.01, 1).await.map_err(wrapped)?;
    eprintln!("\na day later, with one per cent changed:");
    settings.as_of = Some(as_of + chrono::TimeDelta::days(1));
    Ok(print(&prepare(&settings).await?, args.json))
}

async fn sync_contacts(args: crate::contacts::SyncContactsArgs) -> Result<ExitCode> {
    let (json, storage) = (args.json, Location::parse(&args.customers)?.options());
    let report = match crate::contacts::run(args, storage).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("prepare-data: {error}");
            return Ok(ExitCode::from(error.exit_code()));
        }
    };
    show(&report, json);
    Ok(ExitCode::from(report.exit_code()))
}

async fn sample(args: crate::sample::SampleArgs) -> Result<crate::sample::Summary> {
    crate::sample::run(args).await.map_err(wrapped)
}

fn wrapped(error: crate::sample::SampleError) -> Error {
    Error::Settings(error.to_string())
}

fn show<R: serde::Serialize + std::fmt::Display>(report: &R, json: bool) {
    match serde_json::to_string_pretty(report) {
        Ok(text) if json => say(&text),
        _ => say(report),
    }
}

/// Prints something for whoever still reads: what was done is done, even if `head` has seen enough of it.
fn say(text: &impl std::fmt::Display) {
    if let Err(error) = writeln!(std::io::stdout(), "{text}") {
        tracing::debug!(%error, "nobody reads what is printed");
    }
}

/// Prints a report; 2 if the gate stopped the run.
fn print(report: &Report, json: bool) -> ExitCode {
    show(report, json);
    if report.published_all() { ExitCode::SUCCESS } else { ExitCode::from(2) }
}
