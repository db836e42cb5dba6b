//! The whole sandbox: builds the handler, hosts the function app, runs the scenario, and audits the result.

use std::path::Path;
use std::sync::Arc;

use sandbox::app_folder::{self, Profile};
use sandbox::environment::{Environment, FunctionApp};
use sandbox::host::{App, Process, Settings, Sink};
use sandbox::page::Page;
use sandbox::telemetry::Telemetry;

use super::args::Args;
use super::files::{HandlerLog, RunFolder, shown, tail};
use super::outcome::Outcome;
use super::output::{note, say};
use super::{Failure, interruptible, next_steps, scenario, stop_requested, web_page};

/// How often the handler polls in the sandbox. The default of 20 seconds would only cost waiting time here.
const POLL_SCHEDULE: &str = "*/2 * * * * *";

/// Runs the sandbox. Returns whether the audit is clean.
pub(crate) async fn run(args: &Args) -> Result<bool, Failure> {
    let folder = RunFolder::create()?;
    let Finished { environment, apps, outcome, page } = interruptible(run_scenario(args, &folder.app())).await?;
    say(&format!("\n{outcome}"))?;
    if let (false, Some(app)) = (args.once, apps.first()) {
        let text = next_steps::text(&environment, app, page.as_ref(), &folder.script()).await?;
        say(&text)?;
    }
    if args.json {
        say(&outcome.json()?.to_string())?;
    }
    if !args.once {
        stop_requested().await?;
    }
    for app in apps {
        app.shutdown().await;
    }
    Ok(outcome.audit.is_clean())
}

/// A finished scenario, and everything that still runs.
struct Finished {
    environment: Arc<Environment>,
    apps: Vec<FunctionApp>,
    outcome: Outcome,
    page: Option<Page>,
}

/// Starts everything, and runs the scenario until all events are processed.
async fn run_scenario(args: &Args, folder: &Path) -> Result<Finished, Failure> {
    note("Building the handler (the first build takes a few minutes) ...");
    let repository = app_folder::repository();
    let binary = app_folder::build_handler(&repository, Profile::own()).await?;
    let environment = Arc::new(Environment::start(args.environment()).await?);
    app_folder::assemble(&repository, Some(&binary), folder, args.enabled())?;
    let log = HandlerLog::open(args.handler_log.as_deref())?;
    let (log, output) = (log.path.clone(), log.sink());
    let telemetry = telemetry(args, &environment)?;
    let mut apps = Vec::new();
    for _ in 0..args.instances() {
        let instance = telemetry.as_ref().map(Telemetry::instance);
        let output = instance.as_ref().map_or_else(|| output.clone(), |it| it.record_lines(output.clone()));
        let app = host(args, &environment, folder, &log, output).await?;
        instance.map(|instance| tokio::spawn(instance.record_events(app.host().events())));
        apps.push(app);
    }
    let page = web_page::open(args, &environment, &apps).await?;
    note(&format!(
        "The Functions host polls every 2 s here ({POLL_SCHEDULE}; 20 s in production). The handler's log: {}",
        shown(&log)
    ));
    let (times, mut kills) = scenario::run(args, &environment, &apps).await?;
    kills.extend(page.iter().flat_map(Page::kills));
    let counters = apps.iter().map(|app| app.host().counters()).collect();
    let outcome = Outcome::of(args, &environment, times, &kills, counters);
    Ok(Finished { environment, apps, outcome, page })
}

fn telemetry(args: &Args, environment: &Environment) -> Result<Option<Arc<Telemetry>>, Failure> {
    let Some(path) = &args.telemetry else { return Ok(None) };
    let telemetry = Telemetry::create(path, environment.clock().clone());
    Ok(Some(telemetry.map_err(|error| format!("{}: {error}", shown(path)))?))
}

async fn host(
    args: &Args,
    environment: &Environment,
    folder: &Path,
    log: &Path,
    output: Sink,
) -> Result<FunctionApp, Failure> {
    let mut settings: Settings = environment.settings();
    settings.extend(args.fault_settings());
    settings.insert("PollSchedule".to_owned(), POLL_SCHEDULE.to_owned());
    let app = App::read(folder, &settings)?;
    let app = environment.host(app, Arc::new(Process), output).await?;
    if app.host().ready().await {
        return Ok(app);
    }
    Err(format!("the handler does not start; the last lines of {}:\n{}", shown(log), tail(log)).into())
}
