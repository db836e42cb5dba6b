//! The three functions. They contain the flow, and no wire format.

mod batching;
mod contacts;
mod enrich;
mod event_log;
mod on_heap;
mod person;
mod poll_events;
mod process_message;
mod reread;
mod services;
mod start_error;
mod start_journeys;
mod trigger_journey;

pub use contacts::ContactCache;
pub use poll_events::{PollCache, PollError, poll_events};
pub use process_message::{Delivery, DeliveryOutcome, process_message};
pub use services::Services;
pub use trigger_journey::{Answer, trigger_journey};
