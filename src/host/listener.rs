//! The port on which the Functions host expects a custom handler.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Why the handler cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is not set.
    #[error(
        "FUNCTIONS_CUSTOMHANDLER_PORT is missing: the Azure Functions host (func start) or the sandbox must start this program"
    )]
    NoPort,
    /// The port is not available.
    #[error("cannot listen on port {0}: {1}")]
    Taken(u16, io::Error),
}

/// Listens on the port that the Functions host sets in the environment.
///
/// # Errors
///
/// When the port is not set or not available.
pub async fn listen(environment: impl Fn(&str) -> Option<String>) -> Result<TcpListener, ListenError> {
    let port = environment("FUNCTIONS_CUSTOMHANDLER_PORT").and_then(|port| port.parse().ok());
    let port = port.ok_or(ListenError::NoPort)?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| ListenError::Taken(port, error))
}
