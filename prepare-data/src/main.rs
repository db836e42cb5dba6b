//! `prepare-data`: the command.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter()).init();
    match prepare_data::cli::main(prepare_data::cli::Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("prepare-data: {error}");
            ExitCode::FAILURE
        }
    }
}

fn filter() -> tracing_subscriber::EnvFilter {
    tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn,prepare_data=info".into())
}
