//! The function app in this environment: its host and its address.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::Environment;
use crate::host::{App, AppError, Host, HostOptions, Keys, Launch, Sink};
use crate::network::{Dependency, Network};

/// The key for the app's functions of level `function`.
pub const FUNCTION_KEY: &str = "sandbox-function-key";
/// The app's master key.
pub const MASTER_KEY: &str = "sandbox-master-key";

/// A function app that is being hosted until dropped.
pub struct FunctionApp {
    host: Host,
    url: String,
    _front: JoinSet<()>,
}

/// Why an app could not be hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostingError {
    /// The host does not accept the app.
    #[error(transparent)]
    App(#[from] AppError),
    /// Its port is taken.
    #[error("the function app cannot listen: {0}")]
    Port(#[from] io::Error),
}

impl Environment {
    /// Hosts an app and serves its HTTP functions. With fixed ports, it uses the port after the dependencies' ports.
    /// A second call starts another instance on a free port.
    ///
    /// # Errors
    ///
    /// When the app needs something that does not exist, or the port is taken.
    pub async fn host(&self, app: App, launch: Arc<dyn Launch>, output: Sink) -> Result<FunctionApp, HostingError> {
        let place = u16::try_from(Dependency::ALL.len()).unwrap_or_default();
        let first = self.hosts.fetch_add(1, Ordering::Relaxed) == 0;
        let port = self.ports.filter(|_| first).map(|base| base.saturating_add(place));
        let listener = Network::bind(port).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let keys = Keys { function: FUNCTION_KEY.to_owned(), master: MASTER_KEY.to_owned() };
        let clock = self.clock().clone();
        let (sources, requests) = (self.sources(), self.requests.clone());
        let host = Host::start(HostOptions { app, clock, launch, sources, keys, requests, output })?;
        let router = host.router();
        let mut front = JoinSet::new();
        front.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the function app is no longer served");
            }
        });
        Ok(FunctionApp { host, url, _front: front })
    }
}

impl FunctionApp {
    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills the handler for good; invocations in flight are lost.
    pub async fn shutdown(self) {
        self.host.shutdown().await;
    }
}
