//! The meaning of a receiver's disposition for the broker.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/message-transfers-locks-settlement>

use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Modified, Rejected, Released};
use serde_amqp::Value;
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;
use uuid::Uuid;

use super::super::{Broker, Change, Changes, Property, SettleError};
use super::error::DEAD_LETTER;
use super::message::{changes, text};

/// A receiver's disposition. It is decoded by hand, because not all clients use symbols as keys of maps in outcomes, as
/// the specification requires.
pub(super) struct Disposition {
    /// Whether it was sent by the receiver of the deliveries.
    pub(super) from_receiver: bool,
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) settled: bool,
    /// `None` if the state settles nothing.
    pub(super) settlement: Option<Settlement>,
}

impl Disposition {
    pub(super) fn read(performative: &[u8]) -> Result<Self, serde_amqp::Error> {
        let value: Value = serde_amqp::from_slice(performative)?;
        let (_, fields) = described(&value).unwrap_or_default();
        let Some(Value::Uint(first)) = fields.get(1) else {
            return Err(serde_amqp::Error::Message("a disposition of nothing".to_owned()));
        };
        Ok(Self {
            from_receiver: is_true(fields, 0),
            first: *first,
            last: if let Some(Value::Uint(last)) = fields.get(2) { *last } else { *first },
            settled: is_true(fields, 3),
            settlement: fields.get(4).and_then(Settlement::of),
        })
    }
}

/// The code and the fields of a described list.
fn described(value: &Value) -> Option<(u64, &[Value])> {
    match value {
        Value::Described(described) => match described.as_ref() {
            Described { descriptor: Descriptor::Code(code), value: Value::List(fields) } => Some((*code, fields)),
            _ => None,
        },
        _ => None,
    }
}

fn is_true(fields: &[Value], place: usize) -> bool {
    matches!(fields.get(place), Some(Value::Bool(true)))
}

fn map_at(fields: &[Value], place: usize) -> Changes {
    match fields.get(place) {
        Some(Value::Map(map)) => changes(map),
        _ => Changes::new(),
    }
}

/// The names under which a receiver sets the reason of a dead letter.
pub(super) const REASON: &str = "DeadLetterReason";
pub(super) const DESCRIPTION: &str = "DeadLetterErrorDescription";

/// The settlement of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settlement {
    pub(super) kind: SettlementKind,
    /// Properties to change in the message.
    pub(super) changes: Changes,
}

/// The kinds of settlement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SettlementKind {
    Complete,
    Abandon,
    /// The receiver did not process the message: the delivery is not counted.
    Release,
    Defer,
    DeadLetter {
        reason: String,
        description: String,
    },
}

impl Settlement {
    pub(super) fn new(kind: SettlementKind) -> Self {
        Self { kind, changes: Changes::new() }
    }

    /// Reads an outcome; `None` for states that settle nothing.
    fn of(state: &Value) -> Option<Self> {
        match described(state)? {
            (0x24, _) => Some(Self::new(SettlementKind::Complete)),
            (0x25, fields) => Some(Self::rejected(fields)),
            (0x26, _) => Some(Self::new(SettlementKind::Release)),
            (0x27, fields) => {
                let kind = if is_true(fields, 1) { SettlementKind::Defer } else { SettlementKind::Abandon };
                Some(Self { kind, changes: map_at(fields, 2) })
            }
            _ => None,
        }
    }

    /// Rejected with Service Bus' own condition, or with another condition, which becomes the reason.
    fn rejected(fields: &[Value]) -> Self {
        let (_, error) = fields.first().and_then(described).unwrap_or_default();
        let condition = error.first().and_then(text).filter(|condition| condition != DEAD_LETTER);
        let description = condition.as_ref().and_then(|_| error.get(1).and_then(text));
        Self::dead_letter(map_at(error, 2), condition, description)
    }

    /// The outcome that confirms the settlement to the receiver.
    pub(super) fn outcome(&self) -> DeliveryState {
        match self.kind {
            SettlementKind::Complete => DeliveryState::Accepted(Accepted {}),
            SettlementKind::Abandon | SettlementKind::Defer => DeliveryState::Modified(Modified {
                delivery_failed: None,
                undeliverable_here: (self.kind == SettlementKind::Defer).then_some(true),
                message_annotations: None,
            }),
            SettlementKind::Release => DeliveryState::Released(Released {}),
            SettlementKind::DeadLetter { .. } => DeliveryState::Rejected(Rejected { error: None }),
        }
    }

    pub(super) fn apply(&self, broker: &Broker, lock: Uuid) -> Result<(), SettleError> {
        if !self.changes.is_empty() {
            broker.change(lock, self.changes.clone())?;
        }
        match &self.kind {
            SettlementKind::Complete => broker.complete(lock),
            SettlementKind::Abandon => broker.abandon(lock),
            SettlementKind::Release => broker.release(lock),
            SettlementKind::Defer => broker.defer(lock),
            SettlementKind::DeadLetter { reason, description } => broker.dead_letter(lock, reason, description),
        }
    }

    /// Moves the reason and the description from the changes into the settlement.
    fn dead_letter(mut changes: Changes, reason: Option<String>, description: Option<String>) -> Self {
        let mut take = |name, otherwise: Option<String>| match changes.remove(name) {
            Some(Change { value: Some(Property::Text(text)), .. }) => text,
            _ => otherwise.unwrap_or_default(),
        };
        let (reason, description) = (take(REASON, reason), take(DESCRIPTION, description));
        Self { kind: SettlementKind::DeadLetter { reason, description }, changes }
    }
}
