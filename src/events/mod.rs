//! Events, their records and messages, and the retry policy. Pure data and rules: no network and no clock.

mod event;
mod id;
mod journey_outcome;
mod known;
mod merge;
mod message;
mod numbers;
mod outgoing;
mod reason;
mod record;
mod rescheduled;
mod retry;
mod truncation;

pub use event::{CommerceEvent, MalformedEvent};
pub use id::EventId;
pub use journey_outcome::{JourneyOutcome, SkipCode};
pub use known::KnownEvent;
pub use message::{Message, MessageError};
pub use numbers::Numbers;
pub use outgoing::OutgoingMessage;
pub use reason::{Reason, ReasonCode};
pub use record::{Record, Status};
pub use rescheduled::RetryHistory;
pub use retry::RetryPolicy;
pub use truncation::Truncation;
