//! The commands `sample-lake` and `try`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::TimeDelta;
use clap::Args;
use sample_lake::{Format, Options, SampleArgs, SampleError};

use super::output::{print_line, print_run};
use crate::error::{Error, Result};
use crate::location::Location;
use crate::run::prepare;
use crate::settings::Settings;

/// Options of `try`.
#[derive(Debug, Args)]
pub(super) struct TryArgs {
    /// Folder for the lake and the results; a sample that is already there is replaced
    #[arg(long, default_value = "target/lake")]
    folder: PathBuf,
    /// Customers, over all companies
    #[arg(long, default_value_t = 2_000)]
    customers: u64,
    /// Lines of sales orders and store transactions together
    #[arg(long, default_value_t = 20_000)]
    lines: u64,
    /// Format of the export
    #[arg(long, value_enum, default_value_t = Format::Delta)]
    format: Format,
    /// Print the reports as JSON
    #[arg(long)]
    json: bool,
}

/// Makes or changes a sample lake.
pub(super) async fn sample_lake(args: SampleArgs) -> Result<ExitCode> {
    print_line(&sample_lake::run(args).await.map_err(sample_error)?);
    Ok(ExitCode::SUCCESS)
}

/// Prepares a new sample lake twice, one day apart.
pub(super) async fn try_preparation(args: TryArgs) -> Result<ExitCode> {
    let (lake, prepared) = (args.folder.join("sample"), args.folder.join("prepared"));
    remove_previous(&lake, &prepared)?;
    let options = Options { customers: args.customers, lines: args.lines, format: args.format, ..Options::default() };
    let as_of = options.as_of;
    let summary = sample_lake::generate(&lake, options).await.map_err(sample_error)?;
    eprintln!("a lake of {} customers and {} lines: {}\n{summary}\n", args.customers, args.lines, lake.display());
    let mut settings = Settings::new(location(&lake)?, location(&prepared)?);
    settings.as_of = Some(as_of);
    let first = prepare(&settings).await?;
    let code = print_run(&first, args.json);
    if !first.published_all() {
        return Ok(code);
    }
    sample_lake::change(&lake, 0.01, 1).await.map_err(sample_error)?;
    eprintln!("\none day later, after one per cent of the rows changed:");
    settings.as_of = Some(as_of + TimeDelta::days(1));
    Ok(print_run(&prepare(&settings).await?, args.json))
}

fn remove_previous(lake: &Path, prepared: &Path) -> Result<()> {
    if lake.exists() {
        sample_lake::remove(lake).map_err(sample_error)?;
    }
    if prepared.join("state/state.json").exists() {
        std::fs::remove_dir_all(prepared)
            .map_err(|error| Error::Settings(format!("cannot remove {}: {error}", prepared.display())))?;
    }
    Ok(())
}

fn location(path: &Path) -> Result<Location> {
    Location::parse(&path.to_string_lossy())
}

fn sample_error(error: SampleError) -> Error {
    Error::Settings(error.to_string())
}
