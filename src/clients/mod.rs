//! Clients of the dependencies. Each client has its own wire format and its own error type, and knows nothing of the
//! functions.

pub mod bus;
pub mod commerce;
pub mod dataverse;
mod http;
pub mod identity;
pub(crate) mod single_flight;
pub mod store;

pub(crate) use http::milliseconds;
pub use http::{CallError, Reply, SetupError, http_client};
