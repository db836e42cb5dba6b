//! The three functions, each a story from top to bottom. They know the flow and no wire format.

mod contacts;
mod enrich;
mod packing;
mod person;
mod poll_events;
mod process_message;
mod setback;
mod start_journeys;
mod trigger_journey;

pub use contacts::{ContactFate, Contacts};
pub use poll_events::{PollError, PollMemory, PollSummary, poll_events};
pub(crate) use process_message::{ATTEMPTS, FAILING_SINCE, STARTED};
pub use process_message::{Delivery, History, Verdict, process_message};
pub use trigger_journey::{Answer, trigger_journey};
