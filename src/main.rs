//! Start-up only: reads the settings and `journeys.json`, and then serves the Functions host or runs a command.

mod command_line;

use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use commerce_journeys::clock::SystemClock;
use commerce_journeys::functions::Services;
use commerce_journeys::host::{listen, stop_requested};
use commerce_journeys::journeys::{Journeys, Misspelt};
use commerce_journeys::settings::suspicious_settings;
use commerce_journeys::telemetry::{LogEvent, Traces, log_to_the_host};

use command_line::{INVALID, Task, USAGE, complain, configuration, print};

#[tokio::main]
async fn main() -> ExitCode {
    let began = Instant::now();
    match Task::parse(std::env::args().skip(1)) {
        Ok(Task::Serve) => {}
        Ok(Task::Check(check)) => return check.run().await,
        Ok(Task::Triggers(triggers)) => return triggers.run(),
        Ok(Task::Find(find)) => return find.run().await,
        Ok(Task::Version) => {
            print(concat!("commerce-journeys ", env!("CARGO_PKG_VERSION"), "\n"));
            return ExitCode::SUCCESS;
        }
        Ok(Task::Help) => {
            print(&format!("{USAGE}\n"));
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            complain(&format!("{mistake}\n\n{USAGE}"));
            return ExitCode::from(INVALID);
        }
    }
    if std::env::var_os("FUNCTIONS_CUSTOMHANDLER_PORT").is_none() && std::io::stdout().is_terminal() {
        complain(&format!("the Azure Functions host (func start) or the sandbox starts this program\n\n{USAGE}"));
        return ExitCode::from(INVALID);
    }
    log_to_the_host();
    match serve(began).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            LogEvent::HandlerNotStarted { detail: &error.to_string() }.log();
            ExitCode::FAILURE
        }
    }
}

async fn serve(began: Instant) -> Result<(), Box<dyn Error>> {
    let stop = stop_requested();
    let environment = |name: &str| std::env::var(name).ok();
    let (settings, journeys) = configuration(&environment)?;
    for warning in suspicious_settings(std::env::vars()) {
        LogEvent::SettingSuspicious { detail: &warning.to_string() }.log();
    }
    warn_of_event_types(&journeys, settings.poll.event_types.as_deref());
    let listener = listen(environment).await?;
    let traces = Traces::start().unwrap_or_else(|error| {
        LogEvent::TracesNotExported { detail: &error }.log();
        None
    });
    let names: Vec<String> = journeys.iter().map(|journey| journey.name.clone()).collect();
    let services = Services::new(settings, journeys, Arc::new(SystemClock))?;
    LogEvent::HandlerStarted {
        version: env!("CARGO_PKG_VERSION"),
        start_ms: milliseconds(began),
        journeys: names.iter().map(String::as_str).collect(),
        traces: traces.is_some(),
    }
    .log();
    commerce_journeys::run(listener, stop, Arc::new(services)).await?;
    LogEvent::HandlerStopped { uptime_ms: milliseconds(began) }.log();
    if let Some(traces) = traces {
        traces.stop().await;
    }
    Ok(())
}

/// Compares the event types of the journeys with those that are known and those that are polled.
fn warn_of_event_types(journeys: &Journeys, chosen: Option<&[String]>) {
    let polled = journeys.polled_types(chosen);
    for (journey, event_type) in journeys.not_of_types(&polled) {
        LogEvent::EventTypeNotPolled { journey: &journey.name, event_type }.log();
    }
    for Misspelt { journey, event_type, similar } in journeys.misspelt_types() {
        LogEvent::EventTypeUnknown { journey: &journey.name, event_type, similar }.log();
    }
    for event_type in journeys.unused_types(&polled) {
        LogEvent::EventTypeUnused { event_type }.log();
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
