//! Why an event is not completed.

use std::fmt;

use serde::de::{IntoDeserializer, value};
use serde::{Deserialize, Deserializer, Serialize};

/// Why an event is not completed. The set is closed, so an operator can count by reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReasonCode {
    /// The row of the event store cannot be read as an event.
    MalformedEvent,
    /// The event does not contain the key of its order where `journeys.json` says.
    EventKeyMissing,
    /// The Scale Unit has no such order, although the event reports one.
    OrderNotFound,
    /// The Scale Unit has no such customer. The event continued without customer details.
    CustomerNotFound,
    /// The Scale Unit does not return the customer. The event continued without customer details.
    CustomerNotRead,
    /// The Scale Unit does not return the cart. The event continued without it.
    CartNotRead,
    /// The Scale Unit does not return the operating unit of the event's channel, and the configured one has no such order.
    OperatingUnitNotRead,
    /// The Scale Unit's response cannot be read.
    UnreadableReply,
    /// The Scale Unit rejects the request for this event.
    CommerceRefused,
    /// The Scale Unit is not available.
    CommerceUnavailable,
    /// The message is larger than the topic's limit, even after truncation.
    MessageTooLarge,
    /// Service Bus rejects the message.
    MessageRefused,
    /// Service Bus does not accept the message for now.
    ServiceBusUnavailable,
    /// The record cannot be read or written for now.
    StoreUnavailable,
    /// Dataverse is not available, throttles, or rejects our identity.
    DataverseUnavailable,
    /// A plug-in, the database or something unknown of Dataverse has failed.
    DataverseFailed,
    /// Dataverse rejects the contact.
    ContactRefused,
    /// The person's contact is inactive, so its journeys are skipped.
    ContactInactive,
    /// Another contact has a value that must be unique, and it cannot be used.
    ContactKeyTaken,
    /// The journeys started, but the contact's missing account number could not be written.
    NumberNotWritten,
    /// The journeys started, but other columns of the contact could not be written.
    ContactNotUpdated,
    /// The custom trigger does not exist or is not published.
    TriggerMissing,
    /// The custom trigger rejects its parameters.
    TriggerRefused,
    /// A required parameter has no value in this event.
    ParameterMissing,
    /// A trigger was invoked without an answer. The journey may have started.
    AnswerLost,
    /// The same, and the journey's `onUncertain` is `hold`: it needs an operator.
    Held,
    /// A journey is not due yet.
    Scheduled,
    /// Another delivery is processing this event.
    InProgress,
    /// An operator has closed the event. Its journeys that had not started are never started.
    Dismissed,
    /// The event is so old that its record may have expired. Its journeys may have started.
    RecordExpired,
    /// A code that this version does not know: a newer one wrote the record before a roll-back.
    OfNewerVersion,
}

impl ReasonCode {
    /// Whether it says what is missing in an event that is completed nevertheless.
    pub fn is_note(self) -> bool {
        let of_customer = matches!(self, Self::CustomerNotFound | Self::CustomerNotRead);
        let of_order = matches!(
            self,
            Self::OrderNotFound | Self::CartNotRead | Self::OperatingUnitNotRead | Self::EventKeyMissing
        );
        of_customer
            || of_order
            || matches!(self, Self::ContactInactive | Self::NumberNotWritten | Self::ContactNotUpdated)
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// A reason with its details. It never contains personal data: only ids, statuses, codes and names of settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The code.
    #[serde(deserialize_with = "known_or_newer")]
    pub code: ReasonCode,
    /// What failed, with which response, and how to fix it.
    pub detail: String,
}

/// A record stays readable after a roll-back, whatever reason the newer version has given.
fn known_or_newer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ReasonCode, D::Error> {
    let code = String::deserialize(deserializer)?;
    let known = ReasonCode::deserialize(IntoDeserializer::<value::Error>::into_deserializer(code));
    Ok(known.unwrap_or(ReasonCode::OfNewerVersion))
}

impl Reason {
    /// A reason with this code.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// The reason of a failed record that names none.
    pub(crate) fn unknown() -> Self {
        Self::new(ReasonCode::MalformedEvent, "the record contains no reason")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}
