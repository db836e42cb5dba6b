//! The web page of the sandbox. It shows the shop, the handler and the dependencies live, and can inject faults.
//!
//! All values come from the stand-ins themselves. The [`dashboard`] holds the state, the [`collector`] updates it, and the
//! browser receives it as server-sent events ([`stream`]).

mod actions;
mod assets;
mod audit_status;
mod collector;
mod dashboard;
mod event_timeline;
mod fault_controls;
mod guard;
mod invocations;
mod latency;
mod routes;
mod stream;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::net::TcpListener;
use tokio::sync::watch as version;
use tokio::task::JoinSet;

use crate::audit::Journey;
use crate::environment::{Environment, FunctionApp};
use crate::host::Platform;
use dashboard::Dashboard;
use fault_controls::FaultControls;

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
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// The state that all requests and collectors share.
struct Shared {
    environment: Arc<Environment>,
    dashboard: Mutex<Dashboard>,
    /// The last published version of the dashboard.
    version: version::Sender<u64>,
    fault_controls: FaultControls,
    /// The function app's address, if there is one.
    app: Option<String>,
    platforms: Vec<Platform>,
    client: reqwest::Client,
    /// The number of visits from the page. It makes each visitor different.
    visitors: AtomicU64,
    /// Whether a bulk order is in progress.
    bulk_running: AtomicBool,
    /// When handlers were killed from the page.
    kills: Mutex<Vec<DateTime<Utc>>>,
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
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            dashboard: Mutex::new(Dashboard::new(&options.environment, options.enabled, options.apps.len())),
            version: version::Sender::new(0),
            fault_controls: FaultControls::new(&options.environment),
            app: options.apps.first().map(|app| app.url().to_owned()),
            platforms: options.apps.iter().map(|app| app.host().platform()).collect(),
            client,
            visitors: AtomicU64::new(0),
            bulk_running: AtomicBool::new(false),
            kills: Mutex::default(),
            environment: options.environment,
        });
        let mut tasks = JoinSet::new();
        collector::start(&shared, options.apps, &mut tasks);
        let router = routes::router(shared.clone(), address.port());
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the page is no longer served");
            }
        });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The times at which handlers killed from the page were certainly dead.
    pub fn kills(&self) -> Vec<DateTime<Utc>> {
        self.shared.kills.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn dashboard(&self) -> MutexGuard<'_, Dashboard> {
        self.dashboard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> DateTime<Utc> {
        self.environment.clock().now()
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
