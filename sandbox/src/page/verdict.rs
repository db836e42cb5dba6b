//! The audit while things are still going on: what is late is not yet lost.

use serde::Serialize;

use super::board::Board;
use crate::audit::{Audit, Finding, JourneyAudit};

/// Findings of a kind that are told.
const TOLD: usize = 20;

/// What the audit says at this moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdict {
    pub(super) expected: usize,
    /// Journeys that are due and have started, each counted once.
    pub(super) started: usize,
    /// Due, not started, and somebody is still at it.
    pub(super) on_the_way: usize,
    /// Due, not started, and left to a person: their messages are dead letters, or soon will be.
    pub(super) parked: usize,
    /// Due, not started, and nobody is at it.
    pub(super) lost: usize,
    pub(super) doubled: usize,
    /// Started again because an answer was lost on the way.
    pub(super) uncertain: usize,
    pub(super) misdirected: usize,
    pub(super) duplicate_contacts: usize,
    pub(super) dead_lettered: usize,
    pub(super) findings: Vec<String>,
    pub(super) journeys: Vec<JourneyAudit>,
    pub(super) p50_ms: Option<i64>,
    pub(super) p99_ms: Option<i64>,
}

impl Verdict {
    /// Judges what the audit found against how far each event is.
    pub(super) fn of(audit: &Audit, board: &Board) -> Self {
        let mut verdict = Self {
            expected: audit.expected(),
            started: audit.expected() - audit.lost.len().min(audit.expected()),
            doubled: audit.duplicated.len(),
            uncertain: audit.uncertain.len(),
            misdirected: audit.misdirected.len(),
            duplicate_contacts: audit.duplicate_contacts.len(),
            dead_lettered: audit.left_over.dead_lettered,
            findings: findings(audit),
            journeys: audit.journeys.clone(),
            p50_ms: audit.latency.map(|latency| latency.p50_ms),
            p99_ms: audit.latency.map(|latency| latency.p99_ms),
            ..Self::default()
        };
        for track in board.tracks() {
            match track.status() {
                Some("processed") => verdict.lost += track.missing().count(),
                Some("failed") => verdict.parked += track.missing().count(),
                _ => {}
            }
        }
        verdict.on_the_way = audit.lost.len().saturating_sub(verdict.lost + verdict.parked);
        verdict
    }
}

fn findings(audit: &Audit) -> Vec<String> {
    let wrong = audit.duplicated.iter().chain(&audit.misdirected).map(Finding::to_string);
    wrong.chain(audit.duplicate_contacts.iter().cloned()).take(TOLD).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::Journey;
    use crate::clock::Clock;
    use crate::environment::{Environment, EnvironmentOptions};
    use crate::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};

    /// A guest's sale: an event of the cart, which nobody can be reached about, and one of the checkout with three
    /// journeys.
    async fn sold() -> (Environment, Board) {
        let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
        let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
        let cart = environment.shop().open_cart(opening).unwrap();
        environment.shop().add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        let receipt_email = Some("guest@example.org".to_owned());
        environment.shop().checkout(&cart, Checkout { receipt_email, ..Checkout::default() }).unwrap();
        let mut board = Board::new(&environment, &Journey::ALL, 0);
        board.committed(environment.ledger_after(0), &environment);
        (environment, board)
    }

    fn judged(environment: &Environment, board: &mut Board, status: &str) -> [usize; 4] {
        let event = &environment.ledger()[1].event;
        let record = json!({
            "id": "x", "EventTransactionId": event.transaction_id, "EventType": event.event_type,
            "EventDateTime": event.date_time.to_string(), "status": status});
        assert!(board.recorded(environment.clock().now(), &record));
        let Verdict { expected, on_the_way, parked, lost, .. } =
            Verdict::of(&environment.audit(&Journey::ALL, &[]), board);
        [expected, on_the_way, parked, lost]
    }

    #[tokio::test]
    async fn what_is_late_is_not_lost_while_somebody_is_at_it() {
        let (environment, mut board) = sold().await;
        assert_eq!(judged(&environment, &mut board, "processing"), [3, 3, 0, 0]);
        assert_eq!(judged(&environment, &mut board, "retrying"), [3, 3, 0, 0]);
        assert_eq!(judged(&environment, &mut board, "failed"), [3, 0, 3, 0]);
        assert_eq!(judged(&environment, &mut board, "processed"), [3, 0, 0, 3]);
    }
}
