//! Fills the board from what happens in the environment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::Shared;
use super::board::{Board, Seen};
use super::verdict::Verdict;
use crate::cosmos::Change;
use crate::environment::{FunctionApp, TOPIC};
use crate::faults::explained;
use crate::host::HostEvent;
use crate::network::{CallEvent, Dependency};

/// How often the browser is told what is new.
const FRAME: Duration = Duration::from_millis(100);
/// How often everything is audited, and how many times as long as an audit the pause after it is at least: a long
/// day's takes its time, of which the rest of the sandbox needs most.
const AUDIT: Duration = Duration::from_secs(1);
const IDLE: u32 = 5;

/// Begins to watch.
pub(super) fn begin(shared: &Arc<Shared>, apps: &[FunctionApp], tasks: &mut JoinSet<()>) {
    tasks.spawn(changes(shared.clone(), shared.environment.cosmos().changes()));
    tasks.spawn(calls(shared.clone(), shared.environment.network().tap()));
    for (instance, app) in apps.iter().enumerate() {
        tasks.spawn(host(shared.clone(), instance, app.host().events()));
    }
    tasks.spawn(frames(shared.clone()));
    tasks.spawn(audits(shared.clone()));
}

async fn changes(shared: Arc<Shared>, mut changes: Receiver<Arc<Change>>) {
    while let Some(change) = next(&mut changes).await {
        let known = shared.board().recorded(change.at, &change.item);
        if !known {
            shared.take_in();
            shared.board().recorded(change.at, &change.item);
        }
    }
}

async fn calls(shared: Arc<Shared>, mut calls: Receiver<CallEvent>) {
    while let Some(passed) = next(&mut calls).await {
        shared.board().passed(passed);
    }
}

async fn host(shared: Arc<Shared>, instance: usize, mut events: Receiver<HostEvent>) {
    while let Some(event) = next(&mut events).await {
        let now = shared.now();
        shared.board().hosted(instance, event, now);
    }
}

/// The next one, past those that were missed.
async fn next<T: Clone>(receiver: &mut Receiver<T>) -> Option<T> {
    loop {
        match receiver.recv().await {
            Ok(item) => return Some(item),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "the page was too slow to see everything"),
            Err(RecvError::Closed) => return None,
        }
    }
}

async fn frames(shared: Arc<Shared>) {
    loop {
        shared.take_in();
        shared.look();
        if let Some(version) = shared.board().publish() {
            shared.version.send_replace(version);
        }
        tokio::time::sleep(FRAME).await;
    }
}

impl Shared {
    /// What the shop and Dataverse have written down since the last time.
    pub(super) fn take_in(&self) {
        self.take_in_on(&mut self.board());
    }

    fn take_in_on(&self, board: &mut Board) {
        let (events, calls) = board.known();
        board.committed(self.environment.ledger_after(events), &self.environment);
        board.called(self.environment.dataverse().started_after(calls), &self.environment);
    }

    fn look(&self) {
        let (environment, mut board) = (&self.environment, self.board());
        for dependency in Dependency::ALL {
            let reachable = *environment.served(dependency).reachability().borrow();
            board.weather(dependency, self.dial.of(dependency), reachable);
        }
        board.look(Seen {
            bus: environment.counts(),
            published: environment.broker().enqueued(TOPIC).unwrap_or_default(),
            contacts: environment.dataverse().contact_count(),
            contacts_before: environment.contacts_before().len(),
            request_units: environment.cosmos().usage().charge,
            crowded: self.crowded.load(std::sync::atomic::Ordering::Relaxed),
        });
    }
}

/// Audits whenever something has changed, off the runtime.
async fn audits(shared: Arc<Shared>) {
    let mut version = shared.version.subscribe();
    let (mut written, mut read) = (0, 0);
    loop {
        if version.changed().await.is_err() {
            return;
        }
        let begun = Instant::now();
        let judge = {
            let shared = shared.clone();
            move || shared.audit()
        };
        if let Err(error) = tokio::task::spawn_blocking(judge).await {
            tracing::error!(%error, "the audit failed");
        }
        // All records are many: they are read when nobody writes any more.
        let writes = shared.board().writes();
        if writes == written && writes != read {
            shared.read_records().await;
            read = writes;
        }
        written = writes;
        tokio::time::sleep(AUDIT.max(begun.elapsed() * IDLE)).await;
    }
}

impl Shared {
    fn audit(&self) {
        let (enabled, deaths) = {
            let board = self.board();
            (board.enabled(), board.deaths())
        };
        let audit = self.environment.audit(enabled, &explained(&self.environment, &deaths));
        let mut board = self.board();
        // A journey starts before its record says so: whatever a record on the board tells has then been taken in.
        self.take_in_on(&mut board);
        let verdict = Verdict::of(&audit, &board);
        board.judged(verdict);
    }

    /// The records as they are: has the last word over what was seen of their writes.
    async fn read_records(&self) {
        match self.environment.cosmos().documents().await {
            Ok(items) => {
                let now = self.now();
                let mut board = self.board();
                for item in &items {
                    board.reread(now, item);
                }
            }
            Err(error) => tracing::warn!(%error, "the records could not be read for the page"),
        }
    }
}
