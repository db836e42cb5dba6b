//! Which other events prevent a journey. Pure: what is known is an argument.

use super::{Rules, Same, Unless};
use crate::events::KnownEvent;
use crate::journeys::event_types::is_same;

/// Why another event prevents a journey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// A later event of the same type and transaction counts instead.
    Superseded,
    /// An event of this type has made the journey superfluous.
    Precluded(String),
}

impl Rules {
    /// Which of the other `known` events prevents the journey of the event `own`. All of them are events of the same
    /// transaction or of the same customer.
    pub fn obstacle(&self, own: &KnownEvent, known: &[KnownEvent]) -> Option<Obstacle> {
        let others = || known.iter().filter(|other| other.id != own.id);
        let precludes = |other: &&KnownEvent| self.is_superfluous_after(own, other);
        if let Some(other) = others().find(precludes) {
            return Some(Obstacle::Precluded(other.event_type.clone()));
        }
        let supersedes = |other: &KnownEvent| {
            is_same(&other.event_type, &own.event_type)
                && other.transaction_id == own.transaction_id
                && other.is_later_than(own)
        };
        (self.latest_only && others().any(supersedes)).then_some(Obstacle::Superseded)
    }

    /// An event of the same transaction counts whenever it happened. One of the same customer counts only if it happened
    /// later: an earlier purchase says nothing about this event.
    fn is_superfluous_after(&self, own: &KnownEvent, other: &KnownEvent) -> bool {
        let is_named = |unless: &&Unless| unless.event_types.iter().any(|it| is_same(it, &other.event_type));
        let Some(unless) = self.unless.as_ref().filter(is_named) else { return false };
        other.transaction_id == own.transaction_id || unless.same == Same::Customer && other.is_later_than(own)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::events::EventId;

    fn event(event_type: &str, transaction: &str, second: i64) -> KnownEvent {
        let at = DateTime::from_timestamp(second, 0).unwrap().to_rfc3339();
        let id = EventId::new(transaction, event_type, &at, "usrt");
        serde_json::from_value(serde_json::json!({
            "id": id, "EventType": event_type, "EventTransactionId": transaction, "EventDateTime": at, "status": "new"}))
        .unwrap()
    }

    fn rules(same: Same) -> Rules {
        let unless = Unless { event_types: vec!["Checkout".to_owned()], same };
        Rules { after: Duration::from_secs(60), unless: Some(unless), latest_only: true, ..Rules::default() }
    }

    #[test]
    fn only_the_latest_event_of_a_transaction_counts_whatever_the_order_of_arrival() {
        let (first, last) = (event("Add", "T", 1), event("Add", "T", 2));
        let known = [last.clone(), event("Add", "U", 9), first.clone()];
        assert_eq!(rules(Same::Transaction).obstacle(&first, &known), Some(Obstacle::Superseded));
        assert_eq!(rules(Same::Transaction).obstacle(&last, &known), None);
    }

    #[test]
    fn a_purchase_of_the_transaction_counts_whatever_its_time() {
        for second in [1, 5, 9] {
            let known = [event("Checkout", "T", second)];
            let obstacle = rules(Same::Transaction).obstacle(&event("Add", "T", 5), &known);
            assert_eq!(obstacle, Some(Obstacle::Precluded("Checkout".to_owned())), "{second}");
        }
        assert_eq!(rules(Same::Transaction).obstacle(&event("Add", "T", 5), &[event("Checkout", "U", 6)]), None);
    }

    #[test]
    fn only_a_later_purchase_of_the_customer_counts() {
        let obstacle =
            |second| rules(Same::Customer).obstacle(&event("Add", "T", 5), &[event("Checkout", "U", second)]);
        assert_eq!(obstacle(4), None);
        assert_eq!(obstacle(6), Some(Obstacle::Precluded("Checkout".to_owned())));
    }

    #[test]
    fn an_event_never_prevents_itself() {
        let own = event("Checkout", "T", 5);
        assert_eq!(rules(Same::Customer).obstacle(&own, std::slice::from_ref(&own)), None);
    }

    #[test]
    fn of_two_events_of_one_time_exactly_one_counts() {
        let (one, other) = (event("Checkout", "T", 5), event("Checkout", "U", 5));
        let known = [one.clone(), other.clone()];
        let rules = rules(Same::Customer);
        assert_ne!(rules.obstacle(&one, &known).is_none(), rules.obstacle(&other, &known).is_none());
    }
}
