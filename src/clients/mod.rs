//! One neighbour each: its wire format and its typed errors, and nothing of our flow.

pub mod bus;
pub mod commerce;
pub mod dataverse;
mod http;
pub mod identity;
pub mod store;

pub use http::{CallError, Reply};
