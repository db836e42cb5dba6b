//! `cargo xtask`: builds, checks and publishes the deployment packages, and writes the snapshots of the templates.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Args, Parser, Subcommand};
use xtask::solution::{DualWrite, pack_solution};
use xtask::{App, Glibc, PackOptions, Package, binary, pack, snapshots};

/// The tasks of this repository that are more than one command.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build, check and publish the deployment package of a function app
    Package(PackageArgs),
    /// Pack the Dataverse solution with the security role, for `pac solution import`
    Solution(SolutionArgs),
    /// Write the snapshots of `infra/` anew, with the `bicep` on the PATH
    Snapshots,
}

#[derive(Args)]
struct PackageArgs {
    /// Which function app
    #[arg(long, value_enum, default_value_t)]
    app: App,
    /// A handler that was built already; otherwise it is built with `cargo zigbuild`
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Cargo profile to build with; otherwise the one that suits the app
    #[arg(long)]
    profile: Option<String>,
    /// The newest glibc that the platform is taken to have
    #[arg(long, value_name = "VERSION", default_value_t = Glibc::PLATFORM)]
    glibc: Glibc,
    /// Messages that one instance takes at once, if not as in host.json: the parameter scale.messagesPerInstance
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=16))]
    messages_per_instance: Option<u16>,
    /// Where to put the package
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Publish to this function app
    #[arg(long, value_name = "APP")]
    publish: Option<String>,
}

#[derive(Args)]
struct SolutionArgs {
    /// The environment has no tables of Dual-write (cdm_company, msdyn_customergroup)
    #[arg(long)]
    without_dual_write: bool,
    /// Where to put the solution
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Package(args) => package(&args),
        Task::Solution(args) => solution(&args),
        Task::Snapshots => snapshots::write(&sandbox::app_folder::repository()).map_err(Into::into),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn package(args: &PackageArgs) -> Result<(), Box<dyn Error>> {
    let repository = sandbox::app_folder::repository();
    let binary = match &args.binary {
        Some(binary) => binary.clone(),
        None => binary::build(&repository, args.app, args.profile.as_deref().unwrap_or(args.app.profile()))?,
    };
    let output = args.output.clone().unwrap_or_else(|| repository.join("target").join("package"));
    let options = PackOptions { glibc: args.glibc, messages_per_instance: args.messages_per_instance };
    let package = pack(&repository, args.app, &binary, &output, &options)?;
    show(&package);
    match &args.publish {
        Some(app) => publish(&package.folder, app),
        None => Ok(()),
    }
}

fn solution(args: &SolutionArgs) -> Result<(), Box<dyn Error>> {
    let repository = sandbox::app_folder::repository();
    let output = args.output.clone().unwrap_or_else(|| repository.join("target").join("package"));
    let dual_write = if args.without_dual_write { DualWrite::Absent } else { DualWrite::Installed };
    println!("{}", pack_solution(&repository, &output, dual_write)?.display());
    Ok(())
}

fn show(package: &Package) {
    for (name, bytes) in &package.files {
        println!("{bytes:>12}  {name}");
    }
    let glibc = package.glibc.map_or("none".to_owned(), |glibc| glibc.to_string());
    println!("glibc needed: {glibc}\nfolder: {}\narchive: {}", package.folder.display(), package.archive.display());
}

/// Core Tools makes a zip file of the folder itself and hands it to the app; nothing is built any more.
fn publish(folder: &Path, app: &str) -> Result<(), Box<dyn Error>> {
    let program = if cfg!(windows) { "func.cmd" } else { "func" };
    let status = Command::new(program)
        .current_dir(folder)
        .args(["azure", "functionapp", "publish", app, "--custom", "--no-build"])
        .status()
        .map_err(|error| format!("Azure Functions Core Tools ({program}) cannot be started: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("publishing has failed: {status}").into()) }
}
