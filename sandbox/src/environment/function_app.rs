//! The function app in this environment: its host, and its address on the network.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::task::JoinSet;

use super::Environment;
use crate::host::{App, AppProblem, Host, HostOptions, Keys, Launch, Sink};
use crate::network::{Dependency, Network};

/// Opens the app's functions of level `function`.
pub const FUNCTION_KEY: &str = "sandbox-function-key";
/// Opens everything in the app.
pub const MASTER_KEY: &str = "sandbox-master-key";

/// A function app that is being hosted; gone when dropped.
pub struct FunctionApp {
    host: Host,
    url: String,
    _front: JoinSet<()>,
}

/// Why an app is not hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostingProblem {
    /// The host refuses it.
    #[error(transparent)]
    App(#[from] AppProblem),
    /// Its port is taken.
    #[error("the function app cannot listen: {0}")]
    Port(#[from] io::Error),
}

impl Environment {
    /// Hosts an app and serves its HTTP functions, on the port after the dependencies' if those are a block. Called
    /// again, it starts another instance beside the first, on any free port.
    ///
    /// # Errors
    ///
    /// When the app asks for what is not there, or the port is taken.
    pub async fn host(&self, app: App, launch: Arc<dyn Launch>, output: Sink) -> Result<FunctionApp, HostingProblem> {
        let place = u16::try_from(Dependency::ALL.len()).unwrap_or_default();
        let first = self.hosts.fetch_add(1, Ordering::Relaxed) == 0;
        let port = self.ports.filter(|_| first).map(|base| base.saturating_add(place));
        let listener = Network::bind(port).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let keys = Keys { function: FUNCTION_KEY.to_owned(), master: MASTER_KEY.to_owned() };
        let clock = self.clock().clone();
        let host = Host::start(HostOptions { app, clock, launch, sources: self.sources(), keys, output })?;
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
