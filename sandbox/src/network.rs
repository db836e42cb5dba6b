//! One dependency on one loopback port: counts its calls and lets the [`FaultInjector`] decide what becomes of each.
//!
//! A dependency may speak another protocol beside HTTP on the same port, see [`ProtocolHandler`].

mod fate;
mod link;
mod tap;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use futures::StreamExt as _;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

pub use self::fate::{BoxFuture, Call, ErrorReply, FaultAction, FaultInjector, NoFaults};
use self::link::{Link, Noted, UndeliveredEffects};
pub use self::tap::CallEvent;
use self::tap::Passing;

/// Who is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dependency {
    /// The Commerce Scale Unit.
    Commerce,
    /// Entra's token endpoint and the App Service identity endpoint.
    Entra,
    /// Cosmos DB.
    Cosmos,
    /// Service Bus, its REST face.
    ServiceBus,
    /// Dataverse with Customer Insights - Journeys.
    Dataverse,
}

impl Dependency {
    /// All of them, in the order in which an event meets them.
    pub const ALL: [Self; 5] = [Self::Entra, Self::Commerce, Self::Cosmos, Self::ServiceBus, Self::Dataverse];
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Commerce => "Commerce",
            Self::Entra => "Entra",
            Self::Cosmos => "Cosmos DB",
            Self::ServiceBus => "Service Bus",
            Self::Dataverse => "Dataverse",
        })
    }
}

/// Goes into the extensions of a reply that tells of an effect that cannot be repeated: the effect's number. The wire
/// remembers those of which the caller was never told, see [`Network::withheld`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectId(pub u64);

/// Talks over a connection that begins with the letter `A`, as AMQP does and no request of HTTP here, and asks the
/// [`FaultDecider`] about each call.
pub type ProtocolHandler = Arc<dyn Fn(TcpStream, FaultDecider) -> BoxFuture<()> + Send + Sync>;

/// Decides what becomes of one dependency's calls in a protocol that the wire does not know, and counts them.
#[derive(Clone)]
pub struct FaultDecider {
    network: Network,
    dependency: Dependency,
}

impl FaultDecider {
    /// What becomes of a call.
    pub fn decide(&self, method: Method, path: String) -> BoxFuture<FaultAction> {
        self.network.decide(self.dependency, method, path)
    }
}

/// In the extensions of a reply that is not to be sent: the connection closes instead.
#[derive(Clone, Copy)]
struct Closed;

/// What all dependencies of one sandbox share: the weather and the count of calls.
#[derive(Clone)]
pub struct Network {
    weather: watch::Sender<Arc<dyn FaultInjector>>,
    calls: Arc<Calls>,
    withheld: UndeliveredEffects,
    tap: broadcast::Sender<CallEvent>,
}

#[derive(Default)]
struct Calls {
    all: AtomicU64,
    each: [AtomicU64; Dependency::ALL.len()],
}

impl Network {
    /// A wire under this weather.
    pub fn new(weather: impl FaultInjector + 'static) -> Self {
        Self {
            weather: watch::Sender::new(Arc::new(weather)),
            calls: Arc::default(),
            withheld: UndeliveredEffects::default(),
            tap: tap::sender(),
        }
    }

    /// Changes the weather for all calls from now on.
    pub fn set_faults(&self, weather: impl FaultInjector + 'static) {
        self.weather.send_replace(Arc::new(weather));
    }

    /// The present weather, to be put back later.
    pub fn weather(&self) -> Arc<dyn FaultInjector> {
        self.weather.borrow().clone()
    }

    /// The effects (see [`EffectId`]) of which the caller was certainly never told: the weather spoiled the reply, or the
    /// connection was gone before the reply left.
    pub fn withheld(&self) -> BTreeSet<u64> {
        self.withheld.all()
    }

    /// Every call from now on, told when it is over. Who is slow misses some.
    pub fn tap(&self) -> broadcast::Receiver<CallEvent> {
        self.tap.subscribe()
    }

    /// How many requests reached each dependency (whatever became of them).
    pub fn calls(&self) -> BTreeMap<Dependency, u64> {
        Dependency::ALL.into_iter().map(|n| (n, self.calls.each[n as usize].load(Ordering::Relaxed))).collect()
    }

    fn decide(&self, dependency: Dependency, method: Method, path: String) -> BoxFuture<FaultAction> {
        let own_number = self.calls.each[dependency as usize].fetch_add(1, Ordering::Relaxed);
        let call =
            Call { dependency, method, path, own_number, number: self.calls.all.fetch_add(1, Ordering::Relaxed) };
        self.weather.borrow().decide(&call)
    }

    /// Serves `router` as `dependency` on a loopback port (any free one, unless given) until the returned handle
    /// is dropped.
    pub async fn serve(&self, dependency: Dependency, router: Router, port: Option<u16>) -> std::io::Result<Served> {
        self.serve_on(dependency, router, Self::bind(port).await?)
    }

    /// Takes a loopback port (any free one, unless given) for a router that must know its address beforehand.
    pub async fn bind(port: Option<u16>) -> std::io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await
    }

    /// Serves `router` as `dependency` on a port taken with [`Network::bind`] until the returned handle is dropped.
    pub fn serve_on(&self, dependency: Dependency, router: Router, listener: TcpListener) -> std::io::Result<Served> {
        self.serve_both_on(dependency, router, None, listener)
    }

    /// The same, with another protocol beside HTTP.
    pub fn serve_both_on(
        &self,
        dependency: Dependency,
        router: Router,
        foreign: Option<ProtocolHandler>,
        listener: TcpListener,
    ) -> std::io::Result<Served> {
        let address = listener.local_addr()?;
        let wire = self.clone();
        let router = router.layer(middleware::from_fn(move |request, next| {
            let wire = wire.clone();
            async move { wire.pass(dependency, request, next).await }
        }));
        let (reachable, _) = watch::channel(true);
        let foreign = foreign.map(|foreign| (foreign, FaultDecider { network: self.clone(), dependency }));
        let site = Site { router, foreign, withheld: self.withheld.clone() };
        let task = tokio::spawn(accept(listener, address, site, reachable.subscribe()));
        Ok(Served { dependency, address, reachable, task })
    }

    async fn pass(&self, dependency: Dependency, request: Request, next: Next) -> Response {
        let passing = Passing::new(&self.tap, dependency);
        let response = self.deliver(dependency, request, next).await;
        passing.answered((response.extensions().get::<Closed>().is_none()).then(|| response.status()));
        response
    }

    async fn deliver(&self, dependency: Dependency, request: Request, next: Next) -> Response {
        let link = request.extensions().get::<Link>().cloned();
        let send = |response: Response| {
            if let (Some(link), Some(EffectId(effect))) = (&link, response.extensions().get()) {
                link.is_to_send(*effect);
            }
            response
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match self.decide(dependency, method, path).await {
            FaultAction::Serve => send(next.run(request).await),
            FaultAction::Refuse(refusal) => refusal.into_response(),
            FaultAction::ReplaceReply(refusal) => {
                self.spoil(next.run(request).await);
                refusal.into_response()
            }
            FaultAction::ResetBefore => closed(),
            FaultAction::ResetAfter => broken(self.spoil(next.run(request).await)).await,
            FaultAction::TruncateReply => match half(next.run(request).await).await {
                Half::Nothing(whole) => send(whole),
                Half::Of(parts, start) => self.spoil(Response::from_parts(parts, Body::from(start))),
            },
            FaultAction::Hang => std::future::pending().await,
            FaultAction::HangAfter => {
                self.spoil(next.run(request).await);
                std::future::pending().await
            }
        }
    }

    /// Notes that the caller will not be told what this reply says.
    fn spoil(&self, response: Response) -> Response {
        if let Some(EffectId(effect)) = response.extensions().get() {
            self.withheld.add(*effect);
        }
        response
    }
}

/// No reply at all.
fn closed() -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Closed);
    response
}

/// The first half of a reply, after which the server tears the connection down.
async fn broken(response: Response) -> Response {
    match half(response).await {
        Half::Nothing(_) => closed(),
        Half::Of(parts, start) => {
            let reset = futures::stream::once(async {
                // The server sends what it has whenever there is nothing to be had for a moment.
                tokio::task::yield_now().await;
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
            });
            let start = futures::stream::iter([Ok(start)]);
            Response::from_parts(parts, Body::from_stream(start.chain(reset)))
        }
    }
}

/// The first half of a reply, if there is anything to halve.
enum Half {
    Nothing(Response),
    Of(axum::http::response::Parts, bytes::Bytes),
}

async fn half(response: Response) -> Half {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if whole.is_empty() {
        return Half::Nothing(Response::from_parts(parts, Body::empty()));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Half::Of(parts, whole.slice(..whole.len() / 2))
}

/// A dependency that is being served; gone when dropped.
pub struct Served {
    dependency: Dependency,
    address: SocketAddr,
    reachable: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Who this is.
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

    /// Whether the dependency is on the network, now and from now on.
    pub fn reachability(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    /// Takes the dependency off the network (connections are refused and open ones closed) or puts it back.
    pub fn set_reachable(&self, reachable: bool) {
        self.reachable.send_replace(reachable);
    }

    /// The means to do the same from elsewhere.
    pub fn switch(&self) -> Switch {
        Switch(self.reachable.clone())
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

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What is served on a port.
#[derive(Clone)]
struct Site {
    router: Router,
    foreign: Option<(ProtocolHandler, FaultDecider)>,
    withheld: UndeliveredEffects,
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
                tracing::error!(%address, %error, "the port was taken while the dependency was away");
                return;
            }
        };
    }
}

/// Somebody's outgoing connection may borrow the port for a moment; it is given back soon.
async fn rebind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let mut attempts = 0;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && attempts < 200 => {
                attempts += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            result => return result,
        }
    }
}

/// Serves connections for as long as this future lives; dropping it closes them all.
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
        // Replies are small and each is waited for.
        let _ = stream.set_nodelay(true);
        connections.spawn(welcome(stream, site.clone()));
    }
}

/// Finds out which protocol it is, and speaks it.
async fn welcome(stream: TcpStream, site: Site) {
    if let Some((foreign, fates)) = site.foreign {
        let mut first = [0];
        match stream.peek(&mut first).await {
            Ok(1) if first == *b"A" => return foreign(stream, fates).await,
            Ok(1) => {}
            // Whoever hangs up without a word wanted nothing.
            Ok(_) | Err(_) => return,
        }
    }
    converse(stream, site.router, Link::new(&site.withheld)).await;
}

async fn converse(stream: TcpStream, router: Router, link: Link) {
    let stream = Noted::new(TokioIo::new(stream), link.clone());
    let router = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(link.clone());
        let response = router.call(request);
        async move {
            match response.await {
                Ok(response) if response.extensions().get::<Closed>().is_none() => Ok(response),
                Ok(_) => Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
                Err(never) => match never {},
            }
        }
    });
    // A peer that goes away in mid-request (a killed handler) is not this server's trouble.
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await;
}

#[cfg(test)]
mod tests;
