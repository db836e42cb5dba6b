//! The dependencies without a host, for Core Tools' `func start`.

use std::collections::BTreeMap;

use sandbox::environment::{Environment, PORT_BASE};
use sandbox::network::Dependency;
use serde_json::json;

use super::args::Args;
use super::{Failure, interruptible, play};

/// Serves the dependencies until Ctrl-C, while the shop goes through its day. Nothing is written anywhere.
pub(crate) async fn serve(args: &Args) -> Result<bool, Failure> {
    let environment = interruptible(start(args)).await?;
    tokio::select! {
        sold = sell(args, &environment) => {
            sold?;
            eprintln!("The shop has closed; the dependencies stay up.");
            play::serve().await?;
        }
        interrupted = play::serve() => interrupted?,
    }
    Ok(true)
}

async fn start(args: &Args) -> Result<Environment, Failure> {
    let environment = Environment::start(args.environment()).await?;
    println!("The dependencies are up:");
    for dependency in Dependency::ALL {
        println!("  {:12} {}", dependency.to_string(), environment.url(dependency));
    }
    if args.port_base.is_none_or(|base| base == PORT_BASE) {
        println!("local.settings.json is right for them as it is. Next, in the repository:");
    } else {
        println!(
            "local.settings.json must say where they are:\n{}\nThen, in the repository:",
            local_settings(environment.settings())?
        );
    }
    println!(
        "  cargo build --release && cp target/release/commerce-journeys .\n  \
         ./commerce-journeys check --settings local.settings.json\n  \
         npx azurite --silent --inMemoryPersistence   (another terminal: the host keeps its timers there)\n  \
         func start                                   (and another)\n\
         The shop sells {orders} orders meanwhile, to be found whenever the host comes. Press Ctrl-C to end.",
        orders = args.orders,
    );
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

/// The settings as Core Tools reads them.
fn local_settings(settings: BTreeMap<String, String>) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&json!({ "IsEncrypted": false, "Values": settings }))
}
