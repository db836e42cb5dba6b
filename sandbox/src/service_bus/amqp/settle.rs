//! What a receiver's disposition means to the broker.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement>

use fe2o3_amqp_types::messaging::{DeliveryState, Modified, Rejected};
use serde_amqp::Value;
use serde_amqp::primitives::Symbol;
use uuid::Uuid;

use super::super::{Broker, Changes, Property, SettleError};
use super::error::{DEAD_LETTER, condition};
use super::message::changes;
use super::sections::Map;

/// The end of a message's lock.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settlement {
    pub(super) verdict: Verdict,
    /// Properties that the message has from now on.
    pub(super) changes: Changes,
}

/// What becomes of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Complete,
    Abandon,
    Defer,
    DeadLetter { reason: String, description: String },
}

impl Settlement {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self { verdict, changes: Changes::new() }
    }

    /// Reads an outcome; `None` for states that settle nothing.
    pub(super) fn of(state: &DeliveryState) -> Option<Self> {
        match state {
            DeliveryState::Accepted(_) => Some(Self::new(Verdict::Complete)),
            DeliveryState::Released(_) => Some(Self::new(Verdict::Abandon)),
            DeliveryState::Modified(modified) => Some(modify(modified)),
            DeliveryState::Rejected(rejected) => Some(reject(rejected)),
            DeliveryState::Received(_) | DeliveryState::Declared(_) | DeliveryState::TransactionalState(_) => None,
        }
    }

    /// The outcome that tells the receiver that it was done.
    pub(super) fn outcome(&self) -> DeliveryState {
        use fe2o3_amqp_types::messaging::Accepted;
        match self.verdict {
            Verdict::Complete => DeliveryState::Accepted(Accepted {}),
            Verdict::Abandon | Verdict::Defer => DeliveryState::Modified(Modified {
                delivery_failed: None,
                undeliverable_here: (self.verdict == Verdict::Defer).then_some(true),
                message_annotations: None,
            }),
            Verdict::DeadLetter { .. } => DeliveryState::Rejected(Rejected { error: None }),
        }
    }

    pub(super) fn apply(&self, broker: &Broker, lock: Uuid) -> Result<(), SettleError> {
        if !self.changes.is_empty() {
            broker.change(lock, self.changes.clone())?;
        }
        match &self.verdict {
            Verdict::Complete => broker.complete(lock),
            Verdict::Abandon => broker.abandon(lock),
            Verdict::Defer => broker.defer(lock),
            Verdict::DeadLetter { reason, description } => broker.dead_letter(lock, reason, description),
        }
    }

    /// Makes the reason and its description, which come among the changes, the verdict's own.
    pub(super) fn dead_letter(mut changes: Changes) -> Self {
        let mut take = |name| match changes.remove(name) {
            Some(Property::Text(text)) => text,
            _ => String::new(),
        };
        let (reason, description) = (take("DeadLetterReason"), take("DeadLetterErrorDescription"));
        Self { verdict: Verdict::DeadLetter { reason, description }, changes }
    }
}

fn modify(modified: &Modified) -> Settlement {
    let verdict = if modified.undeliverable_here == Some(true) { Verdict::Defer } else { Verdict::Abandon };
    let changes = modified.message_annotations.as_ref().map(|fields| changes(&map(fields))).unwrap_or_default();
    Settlement { verdict, changes }
}

/// Rejected with Service Bus' own condition, or with any other: then the condition is the reason.
fn reject(rejected: &Rejected) -> Settlement {
    let Some(error) = &rejected.error else { return Settlement::dead_letter(Changes::new()) };
    let mut changes = error.info.as_ref().map(|info| changes(&map(info))).unwrap_or_default();
    let condition = condition(error);
    if condition != DEAD_LETTER {
        changes.entry("DeadLetterReason".to_owned()).or_insert(Property::Text(condition));
        if let Some(description) = &error.description {
            let description = Property::Text(description.clone());
            changes.entry("DeadLetterErrorDescription".to_owned()).or_insert(description);
        }
    }
    Settlement::dead_letter(changes)
}

fn map(fields: &fe2o3_amqp_types::definitions::Fields) -> Map {
    fields.iter().map(|(Symbol(name), value)| (Value::String(name.clone()), value.clone())).collect()
}
