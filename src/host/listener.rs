//! Where the Functions host expects a custom handler to listen.

use std::io;
use std::net::Ipv4Addr;

use tokio::net::TcpListener;

/// Why the handler cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenProblem {
    /// Nobody said where.
    #[error(
        "FUNCTIONS_CUSTOMHANDLER_PORT is missing: this program is started by the Azure Functions host (func start), or by the sandbox"
    )]
    NoPort,
    /// The port is not to be had.
    #[error("port {0} of this machine cannot be listened on: {1}")]
    Taken(u16, io::Error),
}

/// Listens where the Functions host says in the environment.
///
/// # Errors
///
/// When it does not say, or the port is not to be had.
pub async fn listen(environment: impl Fn(&str) -> Option<String>) -> Result<TcpListener, ListenProblem> {
    let port = environment("FUNCTIONS_CUSTOMHANDLER_PORT").and_then(|port| port.parse().ok());
    let port = port.ok_or(ListenProblem::NoPort)?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| ListenProblem::Taken(port, error))
}
