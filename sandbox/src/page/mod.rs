//! The web page of the sandbox. It shows the shop, the handler and the dependencies live, and can inject faults.
//!
//! All values come from the stand-ins themselves. The `dashboard` holds the state, the `collector` updates it, and the
//! browser receives it as server-sent events (`stream`).

mod actions;
mod api_error;
mod assets;
mod audit_status;
mod collector;
mod dashboard;
mod event_timeline;
mod fault_controls;
mod guard;
mod invocations;
mod latency;
mod record;
mod routes;
mod state;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::state::PageState;
use crate::audit::Journey;
use crate::environment::{Environment, FunctionApp};

/// The default port of the page.
pub const PORT: u16 = 7780;

/// What a page shows.
pub struct PageOptions<'a> {
    /// The dependencies.
    pub environment: Arc<Environment>,
    /// The instances of the function app.
    pub apps: &'a [FunctionApp],
    /// The journeys that are enabled in them.
    pub enabled: &'static [Journey],
    /// The page's port on the loopback address. `None` uses [`PORT`], or a free port if that is taken.
    pub port: Option<u16>,
}

/// A page that is served until dropped.
pub struct Page {
    address: SocketAddr,
    state: Arc<PageState>,
    _tasks: JoinSet<()>,
}

impl Page {
    /// Starts to collect data and to serve the page. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the port is taken, or an HTTP client cannot be created.
    pub async fn open(options: PageOptions<'_>) -> io::Result<Self> {
        let listener = listen(options.port).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(PageState::new(options.environment, options.enabled, options.apps)?);
        let mut tasks = JoinSet::new();
        collector::start(&state, options.apps, &mut tasks);
        let router = routes::router(state.clone(), address.port());
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the page is no longer served");
            }
        });
        Ok(Self { address, state, _tasks: tasks })
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The times at which handlers killed from the page were certainly dead.
    pub fn kills(&self) -> Vec<DateTime<Utc>> {
        self.state.kills().clone()
    }
}

/// Binds the port. If the default port is taken, for example by another sandbox, a free port is used.
async fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match (port, bind(port.unwrap_or(PORT)).await) {
        (None, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => bind(0).await,
        (_, listener) => listener,
    }
}

#[cfg(test)]
mod tests;
