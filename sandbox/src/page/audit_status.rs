//! The audit during a run: a journey that is late is not yet lost.

use serde::Serialize;

use super::dashboard::Dashboard;
use super::event_timeline::EventTimeline;
use crate::audit::{Audit, Finding, JourneyAudit};

/// The number of findings of each kind that are shown.
const SHOWN: usize = 20;

/// The current result of the audit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditStatus {
    pub(super) expected: usize,
    /// Expected journeys that have started, each counted once.
    pub(super) started: usize,
    /// Expected journeys that have not started and are still being processed.
    pub(super) pending: usize,
    /// Expected journeys that have not started and need an operator: their messages are dead letters, or soon will be.
    pub(super) needs_operator: usize,
    /// Expected journeys that have not started and are not being processed any more.
    pub(super) lost: usize,
    pub(super) duplicates: usize,
    /// Journeys that were started again because an answer was lost.
    pub(super) uncertain: usize,
    pub(super) misdirected: usize,
    /// Journeys that an operator started.
    pub(super) forced: usize,
    /// Journeys that did not start because an operator dismissed their event.
    pub(super) dismissed: usize,
    pub(super) duplicate_contacts: usize,
    pub(super) dead_lettered: usize,
    pub(super) findings: Vec<String>,
    pub(super) journeys: Vec<JourneyAudit>,
    pub(super) p50_ms: Option<i64>,
    pub(super) p99_ms: Option<i64>,
}

impl AuditStatus {
    /// Combines the findings of the audit with the status of each event. An event whose record has changed since the audit
    /// began, which is since `record_changes`, may have started its journeys since then. The next audit includes them.
    pub(super) fn of(audit: &Audit, dashboard: &Dashboard, record_changes: u64) -> Self {
        let mut status = Self {
            expected: audit.expected(),
            started: audit.expected() - audit.lost.len().min(audit.expected()),
            duplicates: audit.duplicated.len(),
            uncertain: audit.uncertain.len(),
            misdirected: audit.misdirected.len(),
            forced: audit.forced.len(),
            dismissed: audit.dismissed.len(),
            duplicate_contacts: audit.duplicate_contacts.len(),
            dead_lettered: audit.left_over.dead_lettered,
            findings: findings(audit),
            journeys: audit.journeys.clone(),
            p50_ms: audit.latency.map(|latency| latency.p50_ms),
            p99_ms: audit.latency.map(|latency| latency.p99_ms),
            ..Self::default()
        };
        for occasion in &audit.missing {
            let event = dashboard.event_of(occasion).filter(|event| event.record_change <= record_changes);
            match event.and_then(EventTimeline::status) {
                Some("processed") => status.lost += 1,
                Some("failed") => status.needs_operator += 1,
                _ => status.pending += 1,
            }
        }
        status
    }
}

fn findings(audit: &Audit) -> Vec<String> {
    let wrong = audit.duplicated.iter().chain(&audit.misdirected).map(Finding::to_string);
    wrong.chain(audit.duplicate_contacts.iter().cloned()).take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::Journey;
    use crate::clock::Clock;
    use crate::environment::{Environment, EnvironmentOptions};
    use crate::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};

    /// A guest's sale: a cart event without a reachable customer, and a checkout event with three journeys.
    async fn sold() -> (Environment, Dashboard) {
        let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
        let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
        let cart = environment.shop().open_cart(opening).unwrap();
        environment.shop().add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        let receipt_email = Some("guest@example.org".to_owned());
        environment.shop().checkout(&cart, Checkout { receipt_email, ..Checkout::default() }).unwrap();
        let mut dashboard = Dashboard::new(&environment, &Journey::ALL, 0);
        dashboard.add_entries(environment.ledger_after(0), &environment);
        (environment, dashboard)
    }

    fn record(environment: &Environment, dashboard: &mut Dashboard, status: &str) {
        let event = &environment.ledger()[1].event;
        let record = json!({
            "id": "x", "EventTransactionId": event.transaction_id, "EventType": event.event_type,
            "EventDateTime": event.date_time.to_string(), "status": status});
        assert!(dashboard.update_record(environment.clock().now(), &record));
    }

    fn status_of(environment: &Environment, dashboard: &mut Dashboard, status: &str) -> [usize; 4] {
        record(environment, dashboard, status);
        counts(&environment.audit(&Journey::ALL, &[]), dashboard, dashboard.record_changes())
    }

    fn counts(audit: &Audit, dashboard: &Dashboard, record_changes: u64) -> [usize; 4] {
        let AuditStatus { expected, pending, needs_operator, lost, .. } =
            AuditStatus::of(audit, dashboard, record_changes);
        [expected, pending, needs_operator, lost]
    }

    #[tokio::test]
    async fn an_event_that_is_finished_during_the_audit_is_not_lost() {
        let (environment, mut dashboard) = sold().await;
        record(&environment, &mut dashboard, "processing");
        let (audit, before) = (environment.audit(&Journey::ALL, &[]), dashboard.record_changes());
        record(&environment, &mut dashboard, "processed");
        assert_eq!(counts(&audit, &dashboard, before), [3, 3, 0, 0]);
    }

    #[tokio::test]
    async fn a_late_journey_is_not_lost_while_it_is_being_processed() {
        let (environment, mut dashboard) = sold().await;
        assert_eq!(status_of(&environment, &mut dashboard, "processing"), [3, 3, 0, 0]);
        assert_eq!(status_of(&environment, &mut dashboard, "retrying"), [3, 3, 0, 0]);
        assert_eq!(status_of(&environment, &mut dashboard, "failed"), [3, 0, 3, 0]);
        assert_eq!(status_of(&environment, &mut dashboard, "processed"), [3, 0, 0, 3]);
    }
}
