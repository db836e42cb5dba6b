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
use crate::service_bus::Counts;

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
    loop {
        let change = match changes.recv().await {
            Ok(change) => change,
            Err(RecvError::Lagged(missed)) => {
                tracing::info!(missed, "the page was too slow for the writes and reads all records instead");
                state.read_records().await;
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let known = state.dashboard().update_record(change.at, &change.item);
        if !known {
            state.collect();
            state.dashboard().update_record(change.at, &change.item);
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
        let sent = environment.sent();
        let scheduled = environment.broker().scheduled_after(TOPIC, dashboard.last_scheduled());
        dashboard.add_scheduled(scheduled);
        for dependency in Dependency::ALL {
            let reachable = *environment.served(dependency).reachability().borrow();
            dashboard.set_availability(dependency, self.fault_controls.of(dependency), reachable);
        }
        dashboard.set_polled(PolledCounts {
            bus: environment.counts(),
            published: sent.published,
            republished: sent.republished,
            rescheduled: sent.rescheduled,
            contacts: environment.dataverse().contact_count(),
            initial_contacts: environment.initial_contacts().len(),
            request_units: environment.cosmos().usage().charge,
            bulk_running: self.bulk_running.load(Ordering::Relaxed),
        });
        dashboard.report(environment.clock().now());
    }
}

/// Audits whenever something has changed, on a blocking thread.
async fn audits(state: Arc<PageState>) {
    let mut version = state.version.subscribe();
    let mut audited = None;
    loop {
        if version.changed().await.is_err() {
            return;
        }
        let inputs = state.audit_inputs();
        if audited == Some(inputs) {
            continue;
        }
        audited = Some(inputs);
        let began = Instant::now();
        let audit = {
            let state = state.clone();
            move || state.audit()
        };
        if let Err(error) = tokio::task::spawn_blocking(audit).await {
            tracing::error!(%error, "the audit failed");
        }
        tokio::time::sleep(AUDIT_INTERVAL.max(began.elapsed() * AUDIT_PAUSE_FACTOR)).await;
    }
}

/// What an audit depends on. While it stays the same, so does the result.
#[derive(Clone, Copy, PartialEq, Eq)]
struct AuditInputs {
    events: usize,
    trigger_calls: u64,
    record_changes: u64,
    contact_changes: u64,
    bus: Counts,
    handler_exits: usize,
    undelivered: usize,
    requests: (usize, usize),
}

impl PageState {
    fn audit_inputs(&self) -> AuditInputs {
        let environment = &self.environment;
        let dashboard = self.dashboard();
        let (events, trigger_calls) = dashboard.progress();
        AuditInputs {
            events,
            trigger_calls,
            record_changes: dashboard.record_changes(),
            contact_changes: environment.dataverse().row_version(),
            bus: environment.counts(),
            handler_exits: dashboard.handler_exits().len(),
            undelivered: environment.network().undelivered().len(),
            requests: environment.requests().count(),
        }
    }

    fn audit(&self) {
        let (enabled, exits, record_changes) = {
            let dashboard = self.dashboard();
            (dashboard.enabled(), dashboard.handler_exits(), dashboard.record_changes())
        };
        let audit = self.environment.audit(enabled, &explained(&self.environment, &exits));
        let mut dashboard = self.dashboard();
        // A journey starts before its record is written. So everything that a record reports is included now.
        self.collect_into(&mut dashboard);
        let status = AuditStatus::of(&audit, &dashboard, record_changes);
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
