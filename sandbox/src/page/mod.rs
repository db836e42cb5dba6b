//! The sandbox as a web page: what happens among shop, handler and dependencies, live, and the means to meddle with it.
//!
//! Everything that it shows is read from the stand-ins themselves: nothing is simulated for the page's sake. A board
//! keeps what has been seen (`board`); tasks fill it (`watch`); the browser gets it as server-sent events (`stream`).

mod actions;
mod assets;
mod board;
mod dial;
mod guard;
mod invocations;
mod latency;
mod routes;
mod stream;
mod track;
mod verdict;
mod watch;

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
use board::Board;
use dial::Dial;

/// The port of the page unless another is asked for.
pub const PORT: u16 = 7780;

/// What a page is about.
pub struct PageOptions<'a> {
    /// The dependencies.
    pub environment: Arc<Environment>,
    /// The instances of the function app.
    pub apps: &'a [FunctionApp],
    /// The journeys that are enabled in them.
    pub enabled: &'static [Journey],
    /// The page's port on the loopback address; [`PORT`], or any free one if that is taken, unless given.
    pub port: Option<u16>,
}

/// A page that is being served; gone when dropped.
pub struct Page {
    address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What all requests and all watchers share.
struct Shared {
    environment: Arc<Environment>,
    board: Mutex<Board>,
    /// The board's last published version.
    version: version::Sender<u64>,
    dial: Dial,
    /// The function app's address, if there is one.
    app: Option<String>,
    platforms: Vec<Platform>,
    client: reqwest::Client,
    /// Counts the shop's visitors from the page, so that each is another one.
    visitors: AtomicU64,
    /// Whether a crowd is in the shop.
    crowded: AtomicBool,
    /// When handlers were killed from the page.
    kills: Mutex<Vec<DateTime<Utc>>>,
}

impl Page {
    /// Begins to watch the environment and to serve what is seen. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    ///
    /// When the port is taken, or the machine gives no HTTP client.
    pub async fn open(options: PageOptions<'_>) -> io::Result<Self> {
        let listener = listen(options.port).await?;
        let address = listener.local_addr()?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            board: Mutex::new(Board::new(&options.environment, options.enabled, options.apps.len())),
            version: version::Sender::new(0),
            dial: Dial::new(&options.environment),
            app: options.apps.first().map(|app| app.url().to_owned()),
            platforms: options.apps.iter().map(|app| app.host().platform()).collect(),
            client,
            visitors: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
            kills: Mutex::default(),
            environment: options.environment,
        });
        let mut tasks = JoinSet::new();
        watch::begin(&shared, options.apps, &mut tasks);
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

    /// When handlers were killed from the page: by then they were surely dead.
    pub fn kills(&self) -> Vec<DateTime<Utc>> {
        self.shared.kills.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> DateTime<Utc> {
        self.environment.clock().now()
    }
}

/// A second sandbox finds the usual port taken and takes another; a port that was asked for must be had.
async fn listen(port: Option<u16>) -> io::Result<TcpListener> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    match (port, bind(port.unwrap_or(PORT)).await) {
        (None, Err(error)) if error.kind() == io::ErrorKind::AddrInUse => bind(0).await,
        (_, listener) => listener,
    }
}

#[cfg(test)]
mod tests;
