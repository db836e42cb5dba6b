//! Serves the dependencies without a Functions host, for `func start` of Core Tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use sandbox::environment::{Environment, PORT_BASE};
use sandbox::network::Dependency;
use serde_json::json;

use super::args::Args;
use super::chaos::Chaos;
use super::output::{note, say};
use super::{Failure, interruptible, stop_requested, web_page};

/// Serves the dependencies until Ctrl-C, while the shop sells its orders.
pub(crate) async fn serve(args: &Args) -> Result<bool, Failure> {
    let environment = Arc::new(interruptible(start(args)).await?);
    let _page = web_page::open(args, &environment, &[]).await?;
    // The faults end with the process: nobody knows when the host starts.
    let _faults = Chaos::start(args, &environment, &[]);
    tokio::select! {
        sold = sell(args, &environment) => {
            sold?;
            note("All orders are placed; the dependencies keep running.");
            stop_requested().await?;
        }
        interrupted = stop_requested() => interrupted?,
    }
    Ok(true)
}

async fn start(args: &Args) -> Result<Environment, Failure> {
    let environment = Environment::start(args.environment()).await?;
    say("The dependencies are running:")?;
    for dependency in Dependency::ALL {
        say(&format!("  {:12} {}", dependency.to_string(), environment.url(dependency)))?;
    }
    if args.port_base.is_none_or(|base| base == PORT_BASE) {
        say("local.settings.json already contains these addresses. Next, in the repository:")?;
    } else {
        say(&format!(
            "Put this into local.settings.json:\n{}\nThen, in the repository:",
            local_settings(environment.settings())?
        ))?;
    }
    if !args.faults.is_none() {
        say(&format!(
            "The faults last until Ctrl-C. With these settings in local.settings.json, repetitions take seconds instead \
             of minutes:\n{}\nThen:",
            local_settings(args.fault_settings())?
        ))?;
    }
    say(&format!(
        "  cargo build --release -p commerce-journeys && cp target/release/commerce-journeys .\n  \
         ./commerce-journeys check --settings local.settings.json\n  \
         npx azurite --silent --inMemoryPersistence   (in another terminal: the host stores its timers there)\n  \
         func start                                   (in another terminal)\n\
         Meanwhile the shop sells {orders} orders. The host finds them whenever it starts. Press Ctrl-C to stop.",
        orders = args.orders,
    ))?;
    Ok(environment)
}

async fn sell(args: &Args, environment: &Environment) -> Result<(), Failure> {
    let visits = environment.shop().plan(args.orders, args.seed);
    let pause = args.pause(visits.len());
    for visit in &visits {
        drop(environment.clock().sleep(pause).await);
        environment.shop().perform(visit)?;
    }
    Ok(())
}

/// The settings in the format of Core Tools.
fn local_settings(settings: BTreeMap<String, String>) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&json!({ "IsEncrypted": false, "Values": settings }))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    /// Enough calls for one of the faults, which hit about every tenth call.
    const CALLS: usize = 500;

    /// The ports are still taken when an environment has just ended, so each has a block of its own.
    async fn answers_of_dataverse(faults: &str, block: u32) -> Vec<Option<u16>> {
        let port = (10_000 + std::process::id() % 1_000 * 20 + block * 10).to_string();
        let words = ["sandbox", "--no-host", "--orders", "0", "--faults", faults, "--port-base", &port];
        let args = Args::try_parse_from(words).unwrap();
        let environment = start(&args).await.unwrap();
        let _faults = Chaos::start(&args, &environment, &[]);
        let url = format!("{}api/data/v9.2/WhoAmI", environment.url(Dependency::Dataverse));
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_millis(200)).build().unwrap();
        let mut answers = Vec::new();
        for _ in 0..CALLS {
            let answer = client.get(&url).send().await.ok().map(|reply| reply.status().as_u16());
            answers.push(answer);
            if answer != Some(401) {
                break;
            }
        }
        answers
    }

    #[tokio::test]
    async fn faults_are_injected_without_a_host() {
        assert_eq!(answers_of_dataverse("none", 0).await, [Some(401); CALLS]);
        assert_ne!(answers_of_dataverse("dataverse=storm", 1).await.last(), Some(&Some(401)));
    }
}
