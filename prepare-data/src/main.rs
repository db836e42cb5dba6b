//! `prepare-data`: the command.

use clap::Parser;

#[derive(Parser)]
enum Command {
    SampleLake(prepare_data::sample::SampleArgs),
}

#[tokio::main]
async fn main() -> std::process::ExitCode {
    let Command::SampleLake(args) = Command::parse();
    match prepare_data::sample::run(args).await {
        Ok(summary) => {
            println!("{summary}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}
