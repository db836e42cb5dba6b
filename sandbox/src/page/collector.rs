//! Collects what happens in the environment for the dashboard.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;

use super::audit_status::AuditStatus;
use super::dashboard::{Dashboard, PolledCounts};
use super::state::PageState;
use crate::cosmos::Change;
use crate::environment::{FunctionApp, TOPIC};
use crate::faults::explained;
use crate::host::HostEvent;
use crate::network::{CallEvent, Dependency};

/// How often a frame is sent to the browser.
const FRAME_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest pause between two audits.
const AUDIT_INTERVAL: Duration = Duration::from_secs(1);
/// The pause after an audit is at least this many times as long as the audit. A long audit would otherwise take the
/// processor time that the rest of the sandbox needs.
const AUDIT_PAUSE_FACTOR: u32 = 5;

/// Starts to collect.
pub(super) fn start(state: &Arc<PageState>, apps: &[FunctionApp], tasks: &mut JoinSet<()>) {
    tasks.spawn(changes(state.clone(), state.environment.cosmos().changes()));
    tasks.spawn(calls(state.clone(), state.environment.network().observe()));
    for (instance, app) in apps.iter().enumerate() {
        tasks.spawn(host_events(state.clone(), instance, app.host().events()));
    }
    tasks.spawn(frames(state.clone()));
    tasks.spawn(audits(state.clone()));
}

async fn changes(state: Arc<PageState>, mut changes: Receiver<Arc<Change>>) {
    while let Some(change) = next(&mut changes).await {
        let known = state.dashboard().add_write(change.at, &change.item);
        if !known {
            state.collect();
            state.dashboard().add_write(change.at, &change.item);
        }
    }
}

async fn calls(state: Arc<PageState>, mut calls: Receiver<CallEvent>) {
    while let Some(call) = next(&mut calls).await {
        state.dashboard().add_call(call);
    }
}

async fn host_events(state: Arc<PageState>, instance: usize, mut events: Receiver<HostEvent>) {
    while let Some(event) = next(&mut events).await {
        let now = state.now();
        state.dashboard().add_host_event(instance, event, now);
    }
}

/// The next item. Missed items are skipped.
async fn next<T: Clone>(receiver: &mut Receiver<T>) -> Option<T> {
    loop {
        match receiver.recv().await {
            Ok(item) => return Some(item),
            Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "the page was too slow and missed events"),
            Err(RecvError::Closed) => return None,
        }
    }
}

async fn frames(state: Arc<PageState>) {
    loop {
        state.collect();
        state.poll();
        if let Some(version) = state.dashboard().publish() {
            state.version.send_replace(version);
        }
        tokio::time::sleep(FRAME_INTERVAL).await;
    }
}

impl PageState {
    /// Adds new entries of the shop's ledger and new trigger calls.
    pub(super) fn collect(&self) {
        self.collect_into(&mut self.dashboard());
    }

    fn collect_into(&self, dashboard: &mut Dashboard) {
        let (events, calls) = dashboard.progress();
        dashboard.add_entries(self.environment.ledger_after(events), &self.environment);
        dashboard.add_trigger_calls(self.environment.dataverse().started_after(calls), &self.environment);
    }

    fn poll(&self) {
        let (environment, mut dashboard) = (&self.environment, self.dashboard());
        for dependency in Dependency::ALL {
            let reachable = *environment.served(dependency).reachability().borrow();
            dashboard.set_availability(dependency, self.fault_controls.of(dependency), reachable);
        }
        dashboard.set_polled(PolledCounts {
            bus: environment.counts(),
            published: environment.broker().enqueued(TOPIC).unwrap_or_default(),
            contacts: environment.dataverse().contact_count(),
            initial_contacts: environment.initial_contacts().len(),
            request_units: environment.cosmos().usage().charge,
            bulk_running: self.bulk_running.load(Ordering::Relaxed),
        });
    }
}

/// Audits whenever something has changed, on a blocking thread.
async fn audits(state: Arc<PageState>) {
    let mut version = state.version.subscribe();
    let (mut written, mut read) = (0, 0);
    loop {
        if version.changed().await.is_err() {
            return;
        }
        let began = Instant::now();
        let audit = {
            let state = state.clone();
            move || state.audit()
        };
        if let Err(error) = tokio::task::spawn_blocking(audit).await {
            tracing::error!(%error, "the audit failed");
        }
        // Reading all records is expensive, so it waits until there are no more writes.
        let writes = state.dashboard().writes();
        if writes == written && writes != read {
            state.read_records().await;
            read = writes;
        }
        written = writes;
        tokio::time::sleep(AUDIT_INTERVAL.max(began.elapsed() * AUDIT_PAUSE_FACTOR)).await;
    }
}

impl PageState {
    fn audit(&self) {
        let (enabled, exits) = {
            let dashboard = self.dashboard();
            (dashboard.enabled(), dashboard.handler_exits())
        };
        let audit = self.environment.audit(enabled, &explained(&self.environment, &exits));
        let mut dashboard = self.dashboard();
        // A journey starts before its record is written. So everything that a record reports is included now.
        self.collect_into(&mut dashboard);
        let status = AuditStatus::of(&audit, &dashboard);
        dashboard.set_audit(status);
    }

    /// Reads the current records, which override the collected writes.
    async fn read_records(&self) {
        match self.environment.cosmos().documents().await {
            Ok(items) => {
                let now = self.now();
                let mut dashboard = self.dashboard();
                for item in &items {
                    dashboard.update_record(now, item);
                }
            }
            Err(error) => tracing::warn!(%error, "the records could not be read for the page"),
        }
    }
}
