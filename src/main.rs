//! Start-up only: reads settings and `journeys.json`, listens where the Functions host says, and serves.

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;

use commerce_journeys::app::App;
use commerce_journeys::clock::SystemClock;
use commerce_journeys::journeys::Journeys;
use commerce_journeys::settings::Settings;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;

#[tokio::main]
async fn main() -> ExitCode {
    log_to_the_host();
    match start().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The host turns lines of stdout into information traces, and lines of stderr into warnings and errors.
fn log_to_the_host() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,commerce_journeys=info"));
    let by_level = std::io::stderr.with_max_level(tracing::Level::WARN).or_else(std::io::stdout);
    tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter).with_writer(by_level).init();
}

async fn start() -> Result<(), Box<dyn Error>> {
    let environment = |name: &str| std::env::var(name).ok();
    let (settings, journeys) = configuration(&environment)?;
    let port = environment("FUNCTIONS_CUSTOMHANDLER_PORT").and_then(|port| port.parse().ok()).ok_or(
        "FUNCTIONS_CUSTOMHANDLER_PORT is missing: this program is started by the Azure Functions host (func start), or by the sandbox",
    )?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let app = App::new(settings, journeys, Arc::new(SystemClock))?;
    tracing::info!(port, "serving");
    let until_interrupted = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    commerce_journeys::run(listener, until_interrupted, Arc::new(app)).await?;
    Ok(())
}

/// Settings and journeys; one message names everything that is wrong with either.
fn configuration(environment: &impl Fn(&str) -> Option<String>) -> Result<(Settings, Journeys), String> {
    let root = environment("FUNCTIONS_APP_ROOT_PATH").unwrap_or_else(|| ".".to_owned());
    let file = std::path::Path::new(&root).join("journeys.json");
    let settings = Settings::read(environment);
    let journeys = std::fs::read_to_string(&file)
        .map_err(|error| format!("{} cannot be read: {error}", file.display()))
        .and_then(|text| {
            let list = |problems: Vec<_>| problems.iter().map(|problem| format!("  - {problem}\n")).collect::<String>();
            Journeys::read(&text, environment)
                .map_err(|problems| format!("problems with the journeys:\n{}", list(problems)))
        });
    match (settings, journeys) {
        (Ok(settings), Ok(journeys)) => Ok((settings, journeys)),
        (settings, journeys) => {
            let problems = [settings.err().map(|error| error.to_string()), journeys.err()];
            Err(problems.into_iter().flatten().collect::<Vec<_>>().join("\n"))
        }
    }
}
