//! The neighbours without a host, for Core Tools' `func start`.

use std::collections::BTreeMap;
use std::fs;

use sandbox::stage::{self, Profile};
use sandbox::wire::Neighbour;
use sandbox::world::World;
use serde_json::json;

use super::args::{Args, folder};
use super::run::shown;
use super::{Failure, interruptible, play};

/// Serves the neighbours until Ctrl-C, while the shop goes through its day.
pub(crate) async fn serve(args: &Args) -> Result<bool, Failure> {
    let world = interruptible(prepare(args)).await?;
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

async fn prepare(args: &Args) -> Result<World, Failure> {
    eprintln!("Building the handler (the first time takes a few minutes) ...");
    let repository = stage::repository();
    let binary = stage::build_handler(&repository, Profile::own()).await?;
    let world = World::start(args.world()).await?;
    let app = folder().join("app");
    stage::stage(&repository, Some(&binary), &app, args.enabled())?;
    let settings = local_settings(world.settings())?;
    fs::write(app.join("local.settings.json"), &settings)?;
    println!("{settings}");
    println!("\nThe neighbours are up:");
    for neighbour in Neighbour::ALL {
        println!("  {:12} {}", neighbour.to_string(), world.url(neighbour));
    }
    println!(
        "The app is in {app}, with the settings above as its local.settings.json. Next:\n  \
         cd {app} && ./commerce-journeys check --settings local.settings.json\n  \
         azurite --silent &          (the host keeps its timers in a storage account)\n  \
         cd {app} && func start\n\
         Core Tools receives messages over AMQP, which the sandbox does not speak: poll-events and trigger-journey\n\
         work, process-message gets nothing. Run the sandbox without --no-host to see all of it.\n\
         The shop sells {orders} orders now, to be found whenever the host comes. Press Ctrl-C to end.",
        app = shown(&app),
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
