//! The message side: the Functions host delivers messages of known customers.

use std::collections::HashMap;
use std::time::Duration;

use sandbox::environment::{Environment, FunctionApp, TOPIC};
use sandbox::host::App;
use sandbox::service_bus::NewMessage;
use serde::Serialize;
use serde_json::Value;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::effort::{Effort, Measure};
use crate::failure::Failure;
use crate::handler::{Metered, Site, log};
use crate::network::{ExactLatency, environment};
use crate::recording::{Recorder, Recording, Round};
use crate::usage::Usage;

/// Concurrent deliveries of the host, as in `host.json`.
const DELIVERIES: u32 = 16;
/// Calls that depend on each other: find the contact, claim the event, invoke the trigger, record the outcome.
const CALLS_IN_SEQUENCE: u32 = 4;
/// Messages before the measurement, so that connections are open and companies are cached.
const WARM_UP: usize = 32;
/// A schedule that is never due.
pub(crate) const NEVER: &str = "0 0 0 29 2 *";

/// The figures of the message side.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFigures {
    pub(crate) messages: usize,
    pub(crate) ours: Effort,
    pub(crate) bare: Effort,
    pub(crate) lower_bound: Duration,
    /// The mean size of a finished event's record.
    pub(crate) record_bytes: usize,
    pub(crate) usage: Usage,
}

/// Delivers the messages of a measurement of the poll side, and again to a bare client that makes the same calls.
pub(crate) async fn measure(
    args: &Args,
    measure: Measure,
    polled: &Environment,
    site: &Site,
) -> Result<MessageFigures, Failure> {
    let recorder = Recorder::new(ExactLatency::new(args.latency()));
    let environment = environment(&recorder).await?;
    Sellers::new(&environment, args.customers)?;
    let mut messages = copy_messages(polled, &environment).await?;
    let warm = messages.split_off(messages.len().saturating_sub(WARM_UP));
    let mut settings = environment.settings();
    settings.insert("PollSchedule".to_owned(), NEVER.to_owned());
    let launch = measure.launch();
    let app = host(&environment, site, &settings, &launch).await?;
    deliver(&environment, warm.clone()).await?;
    let before = Round { invocations: warm.len(), calls: recorder.take(&environment)? };
    let used_before = Usage::so_far(&environment, launch.meter())?;
    let measured = launch.begin()?;
    let count = messages.len();
    let elapsed = deliver(&environment, messages.clone()).await?;
    let usage = Usage::so_far(&environment, launch.meter())?.since(&used_before);
    let ours = measured.end(elapsed).await?;
    app.shutdown().await;
    let record_bytes = mean_record_bytes(&environment).await?;
    let calls = Round { invocations: count, calls: recorder.take(&environment)? };
    let site = Site::bare(&Recording { concurrency: 1, rounds: vec![before, calls] })?;
    let launch = measure.launch();
    let app = host(&environment, &site, &settings, &launch).await?;
    deliver(&environment, again(warm)).await?;
    let measured = launch.begin()?;
    let elapsed = deliver(&environment, again(messages)).await?;
    let bare = measured.end(elapsed).await?;
    app.shutdown().await;
    let batches = u32::try_from(count)?.div_ceil(DELIVERIES);
    let lower_bound = args.latency() * CALLS_IN_SEQUENCE * batches;
    Ok(MessageFigures { messages: count, ours, bare, lower_bound, record_bytes, usage })
}

/// The same messages with other ids, so that the topic does not discard them as duplicates.
fn again(messages: Vec<NewMessage>) -> Vec<NewMessage> {
    let renamed = |message: NewMessage| {
        let message_id = message.message_id.as_ref().map(|id| format!("{id}-again"));
        NewMessage { message_id, ..message }
    };
    messages.into_iter().map(renamed).collect()
}

/// Receives all messages, and copies their records to another environment.
async fn copy_messages(from: &Environment, to: &Environment) -> Result<Vec<NewMessage>, Failure> {
    let records = from.cosmos().documents().await?;
    let records: HashMap<&str, &Value> = records.iter().filter_map(|item| Some((item["id"].as_str()?, item))).collect();
    let mut messages = Vec::new();
    while let Some(delivery) = from.broker().try_receive(&from.subscription())? {
        let message = &delivery.message;
        let record = records.get(message.message_id.as_str()).ok_or("a message has no record")?;
        to.cosmos().put(record).await?;
        let message_id = Some(message.message_id.clone());
        messages.push(NewMessage { message_id, ..NewMessage::clone(&message.content) });
        from.broker().complete(delivery.lock_token)?;
    }
    Ok(messages)
}

async fn mean_record_bytes(environment: &Environment) -> Result<usize, Failure> {
    let documents = environment.cosmos().documents().await?;
    let sizes: Vec<usize> =
        documents.iter().filter(|item| item["status"] == "processed").map(|item| item.to_string().len()).collect();
    Ok(sizes.iter().sum::<usize>() / sizes.len().max(1))
}

/// The app in the Functions host.
pub(crate) async fn host(
    environment: &Environment,
    site: &Site,
    settings: &std::collections::BTreeMap<String, String>,
    launch: &Metered,
) -> Result<FunctionApp, Failure> {
    let (output, log) = log();
    let app = environment.host(App::read(site.path(), settings)?, std::sync::Arc::new(launch.clone()), output).await?;
    if !app.host().ready().await {
        return Err(format!("the handler does not start: {}", log()).into());
    }
    Ok(app)
}

/// Sends messages and waits until each has started its journey and has left the subscription.
async fn deliver(environment: &Environment, messages: Vec<NewMessage>) -> Result<Duration, Failure> {
    let before = environment.dataverse().started().len();
    let wanted = before + messages.len();
    let began = std::time::Instant::now();
    for message in messages {
        environment.broker().send(TOPIC, vec![message])?;
    }
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let counts = environment.counts();
        if counts.active + counts.locked == 0 {
            let started = environment.dataverse().started_after(u64::try_from(before)?).len() + before;
            return if started == wanted {
                Ok(began.elapsed())
            } else {
                Err(format!("{started} journeys were started where {wanted} were expected").into())
            };
        }
        if began.elapsed() > Duration::from_secs(600) {
            return Err("the messages were not processed in time".into());
        }
    }
}
