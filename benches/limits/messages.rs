//! The message side: messages of known customers wait on the subscription, delivered by the Functions host.

use std::time::Duration;

use sandbox::host::App;
use sandbox::service_bus::NewMessage;
use sandbox::world::{FunctionApp, TOPIC, World};
use serde::Serialize;

use crate::Failure;
use crate::args::Args;
use crate::handler::{Meter, Metered, Site, log};
use crate::report::Usage;

/// Deliveries that the host has under way at once, as in `host.json`.
const DELIVERIES: u32 = 16;
/// Calls that depend on each other: find the contact, claim the event, invoke the trigger, record the outcome.
const CALLS_IN_SEQUENCE: u32 = 4;
/// Messages before the measurement: connections are made and companies known.
const WARM: usize = 32;
/// Messages at most. A few hundred tell what a thousand would, and the in-memory account, which copies a partition for
/// every batch, stays small.
const MOST: usize = 320;
/// A schedule whose time does not come.
pub(crate) const NEVER: &str = "0 0 0 29 2 *";

/// What the messages cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFigures {
    pub(crate) messages: usize,
    pub(crate) elapsed: Duration,
    pub(crate) lower_bound: Duration,
    /// The mean size of a finished event's record.
    pub(crate) record_bytes: usize,
    pub(crate) usage: Usage,
}

/// Delivers the messages that lie on the world's subscription.
pub(crate) async fn measure(args: &Args, world: World, site: Site) -> Result<MessageFigures, Failure> {
    let mut messages = take_all(&world)?;
    messages.truncate(MOST + WARM);
    let ids: Vec<&str> =
        messages.iter().filter_map(|message| message.message_id.as_deref()?.split("~~").next()).collect();
    world.cosmos().expire(|item| !ids.iter().any(|id| item["id"] == *id) && item.get("status").is_some()).await?;
    let warm = messages.split_off(messages.len().saturating_sub(WARM));
    let mut settings = world.settings();
    settings.insert("PollSchedule".to_owned(), NEVER.to_owned());
    let (app, meter) = host(&world, &site, &settings).await?;
    deliver(&world, warm).await?;
    let before = Usage::so_far(&world, meter)?;
    let count = messages.len();
    let elapsed = deliver(&world, messages).await?;
    let usage = Usage::so_far(&world, meter)?.since(&before);
    app.shutdown().await;
    let record_bytes = mean_record_bytes(&world).await?;
    let rounds = u32::try_from(count)?.div_ceil(DELIVERIES);
    let lower_bound = args.latency() * CALLS_IN_SEQUENCE * rounds;
    Ok(MessageFigures { messages: count, elapsed, lower_bound, record_bytes, usage })
}

async fn mean_record_bytes(world: &World) -> Result<usize, Failure> {
    let documents = world.cosmos().documents().await?;
    let sizes: Vec<usize> =
        documents.iter().filter(|item| item["status"] == "processed").map(|item| item.to_string().len()).collect();
    Ok(sizes.iter().sum::<usize>() / sizes.len().max(1))
}

/// The app, hosted as in production; its handler's process can be looked at.
pub(crate) async fn host(
    world: &World,
    site: &Site,
    settings: &std::collections::BTreeMap<String, String>,
) -> Result<(FunctionApp, Meter), Failure> {
    let launch = Metered::default();
    let (output, log) = log();
    let app = world.host(App::read(site.path(), settings)?, std::sync::Arc::new(launch.clone()), output).await?;
    if !app.host().ready().await {
        return Err(format!("the handler does not start: {}", log()).into());
    }
    let meter = launch.meter();
    Ok((app, meter))
}

/// Takes everything off the subscription, to be sent again when it is wanted.
fn take_all(world: &World) -> Result<Vec<NewMessage>, Failure> {
    let mut messages = Vec::new();
    while let Some(delivery) = world.broker().try_receive(&world.subscription())? {
        // As a retry's copy has it: the broker would drop a second message of the same id.
        let message_id = Some(format!("{}~~again", delivery.message.message_id));
        messages.push(NewMessage { message_id, ..NewMessage::clone(&delivery.message.content) });
        world.broker().complete(delivery.lock_token)?;
    }
    Ok(messages)
}

/// Sends messages and waits until each has started its journey and has left the subscription.
async fn deliver(world: &World, messages: Vec<NewMessage>) -> Result<Duration, Failure> {
    let before = world.dataverse().started().len();
    let wanted = before + messages.len();
    let began = std::time::Instant::now();
    for message in messages {
        world.broker().send(TOPIC, vec![message])?;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let counts = world.counts();
        if counts.active + counts.locked == 0 {
            let started = world.dataverse().started_after(u64::try_from(before)?).len() + before;
            return if started == wanted {
                Ok(began.elapsed())
            } else {
                Err(format!("{started} journeys were started where {wanted} were expected").into())
            };
        }
        if began.elapsed() > Duration::from_secs(600) {
            return Err("the messages are not worked off".into());
        }
    }
}
