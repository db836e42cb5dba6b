//! `prepare-data`: the command, and the handler of the function app.

use std::process::ExitCode;

use clap::Parser;
use commerce_journeys::telemetry::log_to_the_host;
use prepare_data::cli::Cli;
use prepare_data::host::vocabulary::LogEvent;

#[tokio::main]
async fn main() -> ExitCode {
    // The Functions host reads lines of JSON, and the first may be that the settings are wrong.
    let serves = std::env::args().nth(1).is_some_and(|command| command == "serve");
    if serves {
        log_to_the_host();
    } else {
        tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter()).init();
    }
    let ended = match Cli::try_parse() {
        Ok(cli) => prepare_data::cli::main(cli).await.map_err(|error| error.to_string()),
        Err(usage) if serves && usage.use_stderr() => Err(usage.to_string()),
        Err(usage) => usage.exit(),
    };
    ended.unwrap_or_else(|problem| {
        if serves {
            LogEvent::HandlerNotStarted { detail: &problem }.log();
        } else {
            eprintln!("prepare-data: {problem}");
        }
        ExitCode::FAILURE
    })
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,prepare_data=info".into())
}
