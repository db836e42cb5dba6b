//! `prepare-data`: the command, and the handler of the function app.

use std::process::ExitCode;

use clap::Parser;
use commerce_journeys::telemetry::log_to_the_host;
use prepare_data::cli::Cli;
use prepare_data::host::log_events::LogEvent;

#[tokio::main]
async fn main() -> ExitCode {
    // The Functions host reads JSON lines, from the first one: it may be an error in the settings.
    let serves = std::env::args().nth(1).is_some_and(|command| command == "serve");
    if serves {
        log_to_the_host();
    } else {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter()).init();
    }
    let result = match Cli::try_parse() {
        Ok(cli) => prepare_data::cli::main(cli).await.map_err(|error| error.to_string()),
        Err(usage) if serves && usage.use_stderr() => Err(usage.to_string()),
        Err(usage) => usage.exit(),
    };
    result.unwrap_or_else(|error| {
        if serves {
            LogEvent::HandlerNotStarted { detail: &error }.log();
        } else {
            eprintln!("prepare-data: {error}");
        }
        ExitCode::FAILURE
    })
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,prepare_data=info".into())
}
