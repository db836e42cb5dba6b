//! The whole sandbox: build, stage, host, a day in the shop, and the audit.

use std::fs::{self, File};
use std::io::{LineWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sandbox::environment::{Environment, FunctionApp};
use sandbox::host::{App, Level, Process, Settings, Sink};
use sandbox::page::{Page, PageOptions};
use sandbox::stage::{self, Profile};

use super::args::{Args, folder};
use super::day;
use super::outcome::Outcome;
use super::{Failure, interruptible, play};

/// How often the sandbox's handler polls, so that nobody need wait for 20 seconds.
pub(crate) const POLL_SCHEDULE: &str = "*/2 * * * * *";

/// Runs the day; says whether the audit is clean.
pub(crate) async fn run(args: &Args) -> Result<bool, Failure> {
    let site = Site::new();
    let Settled { environment, apps, outcome, page } = interruptible(settle(args, &site)).await?;
    println!("\n{outcome}");
    if let (false, Some(app)) = (args.once, apps.first()) {
        play::invite(&environment, app, page.as_ref()).await?;
    }
    if args.json {
        println!("{}", outcome.json()?);
    }
    if !args.once {
        play::serve().await?;
    }
    for app in apps {
        app.shutdown().await;
    }
    Ok(outcome.audit.is_clean())
}

/// A day that is over, and everything that is still up.
struct Settled {
    environment: Arc<Environment>,
    apps: Vec<FunctionApp>,
    outcome: Outcome,
    page: Option<Page>,
}

/// Starts everything, and lets the day pass and settle.
async fn settle(args: &Args, site: &Site) -> Result<Settled, Failure> {
    eprintln!("Building the handler (the first time takes a few minutes) ...");
    let repository = stage::repository();
    let binary = stage::build_handler(&repository, Profile::own()).await?;
    let environment = Arc::new(Environment::start(args.environment()).await?);
    stage::stage(&repository, Some(&binary), &site.0, args.enabled())?;
    let log = args.handler_log();
    let output = log_to(&log)?;
    let mut apps = Vec::new();
    for _ in 0..args.instances() {
        apps.push(host(args, &environment, &site.0, &log, output.clone()).await?);
    }
    let page = open(args, &environment, &apps).await?;
    eprintln!(
        "The Functions host polls every 2 s here ({POLL_SCHEDULE}; 20 s in production). The handler's log: {}",
        shown(&log)
    );
    let (times, mut kills) = day::live(args, &environment, &apps).await?;
    kills.extend(page.iter().flat_map(Page::kills));
    let counters = apps.iter().map(|app| app.host().counters()).collect();
    let outcome = Outcome::of(args, &environment, times, &kills, counters);
    Ok(Settled { environment, apps, outcome, page })
}

/// Opens the page for whoever stays to watch.
async fn open(args: &Args, environment: &Arc<Environment>, apps: &[FunctionApp]) -> Result<Option<Page>, Failure> {
    if !args.has_page() {
        return Ok(None);
    }
    let options =
        PageOptions { environment: environment.clone(), apps, enabled: args.expected(), port: args.page_port };
    let page = Page::open(options).await.map_err(|error| format!("the page cannot be opened: {error}"))?;
    println!("Watch it, and meddle with it: {}", page.url());
    Ok(Some(page))
}

async fn host(
    args: &Args,
    environment: &Environment,
    site: &Path,
    log: &Path,
    output: Sink,
) -> Result<FunctionApp, Failure> {
    let mut settings: Settings = environment.settings();
    settings.extend(args.trouble_settings());
    settings.insert("PollSchedule".to_owned(), POLL_SCHEDULE.to_owned());
    let app = App::read(site, &settings)?;
    let app = environment.host(app, Arc::new(Process), output).await?;
    if app.host().ready().await {
        return Ok(app);
    }
    Err(format!("the handler does not start; the end of {}:\n{}", shown(log), tail(log)).into())
}

/// Writes the handler's output into a file, line by line.
fn log_to(path: &Path) -> Result<Sink, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", shown(folder)))?;
    }
    let file = File::create(path).map_err(|error| format!("{}: {error}", shown(path)))?;
    let file = Mutex::new(LineWriter::new(file));
    Ok(Arc::new(move |level, line: &str| {
        let mark = match level {
            Level::Information => "",
            Level::Warning => "[stderr, warning] ",
            Level::Error => "[stderr] ",
        };
        // A full disk must not end the day.
        let _ = writeln!(file.lock().unwrap_or_else(PoisonError::into_inner), "{mark}{line}");
    }))
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// A path as short as it can be from here.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

/// A folder for the app that no other sandbox uses, gone when dropped.
struct Site(PathBuf);

impl Site {
    fn new() -> Self {
        Self(folder().join(format!("app-{}", std::process::id())))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %self.0.display(), "the app's folder was not removed");
        }
    }
}
