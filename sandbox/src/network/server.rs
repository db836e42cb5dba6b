//! Serves a dependency on its port, and takes it off the network when asked.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::action::Closed;
use super::reply_tracker::{ReplyTracker, TrackedStream, UndeliveredEffects};
use super::{Dependency, FaultDecider, ProtocolHandler};

/// A dependency that is being served. Dropping it stops the server.
pub struct Served {
    dependency: Dependency,
    address: SocketAddr,
    reachable: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// What is served on a port.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) router: Router,
    pub(super) protocol: Option<(ProtocolHandler, FaultDecider)>,
    pub(super) undelivered: UndeliveredEffects,
}

impl Served {
    pub(super) fn start(dependency: Dependency, listener: TcpListener, site: Site) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (reachable, _) = watch::channel(true);
        let task = tokio::spawn(accept(listener, address, site, reachable.subscribe()));
        Ok(Self { dependency, address, reachable, task })
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
        self.reachable.subscribe()
    }

    /// Takes the dependency off the network (connections are refused, open ones are closed) or puts it back.
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
    }

    /// A handle that can do the same.
    pub fn switch(&self) -> Switch {
        Switch(self.reachable.clone())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a dependency off the network and puts it back.
#[derive(Clone, Debug)]
pub struct Switch(watch::Sender<bool>);

impl Switch {
    /// See [`Served::set_reachable`].
    pub fn set_reachable(&self, reachable: bool) {
        self.0.send_replace(reachable);
    }
}

async fn accept(mut listener: TcpListener, address: SocketAddr, site: Site, mut reachable: watch::Receiver<bool>) {
    loop {
        let connections = serve_connections(&listener, &site);
        tokio::select! {
            () = connections => return,
            gone = reachable.wait_for(|reachable| !reachable) => if gone.is_err() { return },
        }
        drop(listener);
        if reachable.wait_for(|reachable| *reachable).await.is_err() {
            return;
        }
        listener = match rebind(address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%address, %error, "the port was taken while the dependency was off the network");
                return;
            }
        };
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

/// Serves connections. Dropping this future closes all of them.
async fn serve_connections(listener: &TcpListener, site: &Site) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        // Replies are small, and the caller waits for each of them.
        let _ = stream.set_nodelay(true);
        connections.spawn(serve_connection(stream, site.clone()));
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
    serve_http(stream, site.router, ReplyTracker::new(&site.undelivered)).await;
}

async fn serve_http(stream: TcpStream, router: Router, tracker: ReplyTracker) {
    let stream = TrackedStream::new(TokioIo::new(stream), tracker.clone());
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(tracker.clone());
        let response = router.call(request);
        async move {
            match response.await {
                Ok(response) if response.extensions().get::<Closed>().is_none() => Ok(response),
                Ok(_) => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
                Err(never) => match never {},
            }
        }
    });
    // A client may disconnect in the middle of a request, for example a killed handler. That is not an error here.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
}
