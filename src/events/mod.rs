//! What happened in the shop and what became of it: pure data and rules, no network and no clock.

mod event;
mod id;
mod message;
mod raw;
mod record;
mod retry;

pub use event::{CommerceEvent, MalformedEvent};
pub use id::EventId;
pub(crate) use message::traceparent;
pub use message::{JsonProblem, Message, MessageError, OutgoingMessage, Slimmed, read_json};
pub(crate) use raw::RawObject;
pub use record::{JourneyOutcome, Reason, ReasonCode, Record, Status};
pub use retry::RetryPolicy;
