//! A simple handler and a simple broker for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio::sync::Notify;
use uuid::Uuid;

use super::*;

const HOST: &str = r#"{
    "version": "2.0",
    "functionTimeout": "00:10:00",
    "customHandler": {
        "description": { "defaultExecutablePath": "handler" },
        "enableForwardingHttpRequest": true
    },
    "extensionBundle": { "id": "Microsoft.Azure.Functions.ExtensionBundle", "version": "[4.*, 5.0.0)" },
    "extensions": { "serviceBus": { "maxConcurrentCalls": 2 } }
}"#;
const TIMER: &str = r#"{ "bindings": [
    { "name": "timer", "type": "timerTrigger", "direction": "in", "schedule": "%PollSchedule%" }
] }"#;
const QUEUE: &str = r#"{ "bindings": [ {
    "name": "message", "type": "serviceBusTrigger", "direction": "in", "connection": "ServiceBusConnection",
    "topicName": "%ServiceBusTopicName%", "subscriptionName": "order-subscription"
} ] }"#;
const HTTP: &str = r#"{ "bindings": [
    { "name": "req", "type": "httpTrigger", "direction": "in", "methods": ["post"], "authLevel": "function" },
    { "name": "res", "type": "http", "direction": "out" }
] }"#;
/// A complete app.
pub(super) const ALL: [(&str, &str); 4] = [
    ("host.json", HOST),
    ("poll-events/function.json", TIMER),
    ("process-message/function.json", QUEUE),
    ("trigger-journey/function.json", HTTP),
];

/// The settings of the app.
pub(super) fn settings() -> Settings {
    [
        ("PollSchedule", "*/20 * * * * *"),
        ("ServiceBusTopicName", "order-events"),
        ("ServiceBusConnection", "Endpoint=sb://127.0.0.1"),
        ("AzureWebJobsStorage", "UseDevelopmentStorage=true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A message in the queue.
pub(super) fn message(body: &str) -> Message {
    let enqueued_time = DateTime::parse_from_rfc3339("2024-05-15T09:02:08.345Z").unwrap().to_utc();
    Message {
        sequence_number: 123,
        message_id: Some("m-1".to_owned()),
        body: body.to_owned().into(),
        content_type: Some("application/json".to_owned()),
        correlation_id: None,
        subject: None,
        to: None,
        reply_to: None,
        reply_to_session_id: None,
        session_id: None,
        partition_key: None,
        enqueued_time,
        expires_at: enqueued_time + TimeDelta::days(14),
        delivery_count: 1,
        dead_letter_source: None,
        application_properties: BTreeMap::from([("EventType".to_owned(), Value::from("Checkout"))]),
    }
}

/// A queue with locks of a minute and without dead letters.
pub(super) struct Queue {
    clock: Clock,
    state: Mutex<QueueState>,
    changed: Notify,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Message>,
    locked: BTreeMap<Uuid, (Message, DateTime<Utc>)>,
    completed: usize,
    abandoned: usize,
}

impl Queue {
    pub(super) fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), state: Mutex::default(), changed: Notify::new() })
    }

    pub(super) fn send(&self, body: &str) {
        self.state.lock().unwrap().waiting.push_back(message(body));
        self.changed.notify_one();
    }

    /// The completed, abandoned, waiting and locked messages.
    pub(super) fn counts(&self) -> (usize, usize, usize, usize) {
        let state = self.state.lock().unwrap();
        (state.completed, state.abandoned, state.waiting.len(), state.locked.len())
    }

    fn take(&self) -> Option<Delivery> {
        let mut state = self.state.lock().unwrap();
        let message = state.waiting.pop_front()?;
        let (lock_token, locked_until) = (Uuid::new_v4(), self.clock.now() + TimeDelta::minutes(1));
        state.locked.insert(lock_token, (message.clone(), locked_until));
        Some(Delivery { lock_token, locked_until, message, hold: self.clock.hold() })
    }

    fn unlock(&self, lock_token: Uuid) -> Result<Message, SettlementError> {
        let mut state = self.state.lock().unwrap();
        match state.locked.remove(&lock_token) {
            Some((message, until)) if until > self.clock.now() => Ok(message),
            _ => Err(SettlementError::LockLost),
        }
    }
}

#[async_trait]
impl MessageSource for Queue {
    async fn receive(&self) -> Delivery {
        loop {
            if let Some(delivery) = self.take() {
                return delivery;
            }
            self.changed.notified().await;
        }
    }

    async fn complete(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        self.unlock(lock_token)?;
        self.state.lock().unwrap().completed += 1;
        Ok(())
    }

    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettlementError> {
        let mut message = self.unlock(lock_token)?;
        message.delivery_count += 1;
        let mut state = self.state.lock().unwrap();
        state.abandoned += 1;
        state.waiting.push_back(message);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettlementError> {
        let message = self.unlock(lock_token)?;
        let until = self.clock.now() + TimeDelta::minutes(1);
        self.state.lock().unwrap().locked.insert(lock_token, (message, until));
        Ok(until)
    }
}

/// Serves a router instead of a process. Killing it closes its connections.
pub(super) struct InProcess {
    pub router: Router,
    /// Planned exits: each of the next handlers exits as soon as it is started.
    pub exits: Mutex<VecDeque<i32>>,
    pub started: Mutex<Vec<Start>>,
}

impl InProcess {
    pub(super) fn new(router: Router) -> Arc<Self> {
        Arc::new(Self { router, exits: Mutex::default(), started: Mutex::default() })
    }
}

#[async_trait]
impl Launch for InProcess {
    async fn launch(&self, start: Start) -> std::io::Result<Launched> {
        use crate::network::{Dependency, Network, NoFaults};
        // Only the server of the network is used: it closes connections when dropped.
        let served = Network::new(NoFaults::default()).serve(Dependency::Commerce, self.router.clone(), None).await?;
        let port = served.port();
        self.started.lock().unwrap().push(start);
        let exit = self.exits.lock().unwrap().pop_front();
        let killed = Arc::new(Notify::new());
        let kill = killed.clone();
        Ok(Launched {
            process: None,
            port,
            kill: Box::new(move || kill.notify_one()),
            exited: Box::pin(async move {
                let exit = match exit {
                    Some(code) => Exit(Some(code)),
                    None => {
                        killed.notified().await;
                        Exit(None)
                    }
                };
                drop(served);
                exit
            }),
        })
    }
}

/// An app folder that is deleted when dropped.
pub(super) struct Folder(std::path::PathBuf);

impl Folder {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(std::env::temp_dir().join(format!("sandbox-host-{}", Uuid::new_v4())));
        for (name, text) in files {
            let path = folder.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    pub(super) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
