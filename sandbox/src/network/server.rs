//! Serves a dependency on its port, and takes it off the network when asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::action::Closed;
use super::reply_tracker::{ReplyTracker, TrackedStream, UndeliveredEffects};
use super::{Dependency, FaultDecider, ProtocolHandler};

/// A dependency that is being served. Dropping it stops the server.
pub struct Served {
    dependency: Dependency,
    address: SocketAddr,
    switch: Switch,
    task: tokio::task::JoinHandle<()>,
}

/// What is served on a port.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) router: Router,
    pub(super) protocol: Option<(ProtocolHandler, FaultDecider)>,
    pub(super) undelivered: UndeliveredEffects,
    /// Whether connections are kept open after a reply.
    keep_alive: watch::Receiver<bool>,
}

impl Site {
    pub(super) fn new(
        router: Router,
        protocol: Option<(ProtocolHandler, FaultDecider)>,
        undelivered: UndeliveredEffects,
        switch: &Switch,
    ) -> Self {
        Self { router, protocol, undelivered, keep_alive: switch.accepting.subscribe() }
    }
}

impl Served {
    pub(super) fn start(dependency: Dependency, listener: TcpListener, switch: Switch, site: Site) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, address, site, switch.clone()));
        Ok(Self { dependency, address, switch, task })
    }

    /// Which dependency this is.
    pub fn dependency(&self) -> Dependency {
        self.dependency
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The port on the loopback address.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Whether the dependency is on the network, now and later.
    pub fn reachability(&self) -> watch::Receiver<bool> {
        self.switch.reachable.subscribe()
    }

    /// Takes the dependency off the network (connections are refused, open ones are closed) or puts it back.
    pub fn set_reachable(&self, reachable: bool) {
        self.switch.set_reachable(reachable);
    }

    /// A handle that can do the same.
    pub fn switch(&self) -> Switch {
        self.switch.clone()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a dependency off the network and puts it back.
#[derive(Clone, Debug)]
pub struct Switch {
    reachable: watch::Sender<bool>,
    /// Whether new connections are wanted while the dependency is reachable.
    accepting: watch::Sender<bool>,
    /// Whether the port is open.
    listening: watch::Sender<bool>,
}

impl Switch {
    pub(super) fn new() -> Self {
        Self {
            reachable: watch::Sender::new(true),
            accepting: watch::Sender::new(true),
            listening: watch::Sender::new(true),
        }
    }

    /// See [`Served::set_reachable`].
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
    }

    /// Refuses connections from now on, or accepts them again. Open connections are closed after their current reply.
    /// Returns when the port is closed or open.
    pub async fn set_accepting(&self, accepting: bool) {
        self.accepting.send_replace(accepting);
        // The sender is in this handle.
        let _ = self.listening.subscribe().wait_for(|listening| *listening == accepting).await;
    }

    fn wants_listener(&self) -> bool {
        *self.reachable.borrow() && *self.accepting.borrow()
    }
}

/// Serves connections until the port cannot be opened again. Dropping this future closes all of them.
async fn accept(listener: TcpListener, address: SocketAddr, site: Site, switch: Switch) {
    let (mut reachable, mut accepting) = (switch.reachable.subscribe(), switch.accepting.subscribe());
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            stream = next_connection(listener.as_ref()) => {
                connections.spawn(serve_connection(stream, site.clone()));
            }
            Some(_) = connections.join_next() => {}
            Ok(()) = reachable.changed() => if !*reachable.borrow_and_update() { connections = JoinSet::new() },
            Ok(()) = accepting.changed() => drop(accepting.borrow_and_update()),
        }
        match (switch.wants_listener(), listener.is_some()) {
            (true, false) => match rebind(address).await {
                Ok(opened) => listener = Some(opened),
                Err(error) => {
                    tracing::error!(%address, %error, "the port was taken while the dependency was off the network");
                    return;
                }
            },
            (false, true) => listener = None,
            (true, true) | (false, false) => continue,
        }
        switch.listening.send_replace(listener.is_some());
    }
}

/// Binds the port again. An outgoing connection of another process may use it for a moment, so this is retried.
async fn rebind(address: SocketAddr) -> io::Result<TcpListener> {
    let mut attempts = 0;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && attempts < 200 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

/// Accepts the next connection. Never returns while the port is closed.
async fn next_connection(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    let (stream, _) = accepted(|| listener.accept()).await;
    // Replies are small, and the caller waits for each of them.
    let _ = stream.set_nodelay(true);
    stream
}

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What `accept` returns. Without a pause, a process without free file descriptors would repeat the error all the time.
async fn accepted<T, F: Future<Output = io::Result<T>>>(accept: impl Fn() -> F) -> T {
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted; trying again after {ACCEPT_PAUSE:?}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Detects the protocol from the first byte, and serves it.
async fn serve_connection(stream: TcpStream, site: Site) {
    if let Some((protocol, faults)) = site.protocol {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first == *b"A" => return protocol(stream, faults).await,
            Ok(1) => {}
            // The client closed the connection without sending anything.
            Ok(_) | Err(_) => return,
        }
    }
    serve_http(stream, site.router, ReplyTracker::new(&site.undelivered), site.keep_alive).await;
}

async fn serve_http(stream: TcpStream, router: Router, tracker: ReplyTracker, keep_alive: watch::Receiver<bool>) {
    let mut closing = keep_alive.clone();
    let stream = TrackedStream::new(TokioIo::new(stream), tracker.clone());
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(tracker.clone());
        let (response, keep_alive) = (router.call(request), keep_alive.clone());
        async move {
            match response.await.map(|response| with_connection_header(response, *keep_alive.borrow())) {
                Ok(response) if response.extensions().get::<Closed>().is_none() => Ok(response),
                Ok(_) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                Err(never) => match never {},
            }
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut connection = std::pin::pin!(builder.serve_connection(stream, service));
    // A client may disconnect in the middle of a request, for example a killed handler. That is not an error here.
    tokio::select! {
        _ = connection.as_mut() => return,
        Ok(_) = closing.wait_for(|keep_alive| !keep_alive) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn with_connection_header(mut response: Response, keep_alive: bool) -> Response {
    if !keep_alive {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn accepting_pauses_while_there_are_no_file_descriptors() {
        let attempts = AtomicU32::new(0);
        let (attempts, began) = (&attempts, std::time::Instant::now());
        let accept = || async move {
            match attempts.fetch_add(1, Ordering::SeqCst) {
                // EMFILE
                0 | 1 => Err(io::Error::from_raw_os_error(24)),
                _ => Ok("connection"),
            }
        };
        assert_eq!(accepted(accept).await, "connection");
        assert!(began.elapsed() >= 2 * ACCEPT_PAUSE);
    }
}
