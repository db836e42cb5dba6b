//! The neighbours without a host, for Core Tools' `func start`.

use std::collections::BTreeMap;

use sandbox::wire::Neighbour;
use sandbox::world::{PORT_BASE, World};
use serde_json::json;

use super::args::Args;
use super::{Failure, interruptible, play};

/// Serves the neighbours until Ctrl-C, while the shop goes through its day. Nothing is written anywhere.
pub(crate) async fn serve(args: &Args) -> Result<bool, Failure> {
    let world = interruptible(start(args)).await?;
    tokio::select! {
        sold = sell(args, &world) => {
            sold?;
            eprintln!("The shop has closed; the neighbours stay up.");
            play::serve().await?;
        }
        interrupted = play::serve() => interrupted?,
    }
    Ok(true)
}

async fn start(args: &Args) -> Result<World, Failure> {
    let world = World::start(args.world()).await?;
    println!("The neighbours are up:");
    for neighbour in Neighbour::ALL {
        println!("  {:12} {}", neighbour.to_string(), world.url(neighbour));
    }
    if args.port_base.is_none_or(|base| base == PORT_BASE) {
        println!("local.settings.json is right for them as it is. Next, in the repository:");
    } else {
        println!(
            "local.settings.json must say where they are:\n{}\nThen, in the repository:",
            local_settings(world.settings())?
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
    Ok(world)
}

async fn sell(args: &Args, world: &World) -> Result<(), Failure> {
    let visits = world.shop().plan(args.orders, args.seed);
    let pause = args.pause(visits.len());
    for visit in &visits {
        drop(world.clock().sleep(pause).await);
        world.shop().perform(visit)?;
    }
    Ok(())
}

/// The settings as Core Tools reads them.
fn local_settings(settings: BTreeMap<String, String>) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&json!({ "IsEncrypted": false, "Values": settings }))
}
