//! The loopback network between the handler and its dependencies.
//!
//! Each dependency is served on one port. The [`Network`] counts the calls and asks the [`FaultInjector`] what happens
//! to each call. A dependency may serve another protocol beside HTTP on the same port, see [`ProtocolHandler`].

mod action;
mod dependency;
mod observer;
mod reply_tracker;
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::{self, Next};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Collected};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

pub use self::action::{BoxFuture, Call, CallHead, ErrorReply, FaultAction, FaultInjector, NoFaults};
use self::action::{Closed, Half, close, half, reset_within};
pub use self::dependency::Dependency;
pub use self::observer::CallEvent;
use self::observer::OngoingCall;
use self::reply_tracker::{ReplyTracker, UndeliveredEffects};
use self::server::Site;
pub use self::server::{Served, Switch};

/// The number of an effect that cannot be repeated. A reply that reports such an effect has it in its extensions.
/// The network records the effects whose replies were not delivered, see [`Network::undelivered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectId(pub u64);

/// Serves a connection whose first byte is `A`, as in AMQP. It asks the [`FaultDecider`] about each call.
pub type ProtocolHandler = Arc<dyn Fn(TcpStream, FaultDecider) -> BoxFuture<()> + Send + Sync>;

/// Decides about the calls of one dependency in a protocol other than HTTP, and counts them.
#[derive(Clone)]
pub struct FaultDecider {
    network: Network,
    dependency: Dependency,
}

impl FaultDecider {
    /// What happens to a call.
    pub fn decide(&self, method: Method, path: String) -> BoxFuture<FaultAction> {
        self.network.decide(self.dependency, method, path, WholeRequest::default())
    }
}

/// What all dependencies of one sandbox share: the fault injector and the number of calls.
#[derive(Clone)]
pub struct Network {
    injector: watch::Sender<Arc<dyn FaultInjector>>,
    calls: Arc<CallCounts>,
    undelivered: UndeliveredEffects,
    observers: broadcast::Sender<CallEvent>,
}

/// What a fault injector learns of a request only if it reads bodies.
#[derive(Default)]
struct WholeRequest {
    body: Bytes,
    head: Option<Box<CallHead>>,
}

#[derive(Default)]
struct CallCounts {
    all: AtomicU64,
    each: [AtomicU64; Dependency::ALL.len()],
}

impl Network {
    /// A network with this fault injector.
    pub fn new(injector: impl FaultInjector + 'static) -> Self {
        Self {
            injector: watch::Sender::new(Arc::new(injector)),
            calls: Arc::default(),
            undelivered: UndeliveredEffects::default(),
            observers: observer::sender(),
        }
    }

    /// Replaces the fault injector for all later calls.
    pub fn set_faults(&self, injector: impl FaultInjector + 'static) {
        self.injector.send_replace(Arc::new(injector));
    }

    /// The current fault injector.
    pub fn faults(&self) -> Arc<dyn FaultInjector> {
        self.injector.borrow().clone()
    }

    /// The effects (see [`EffectId`]) whose replies certainly did not reach the caller: a fault replaced the reply, or
    /// the connection was closed before the reply was sent.
    pub fn undelivered(&self) -> BTreeSet<u64> {
        self.undelivered.all()
    }

    /// Receives every later call when it is over. A slow receiver misses some.
    pub fn observe(&self) -> broadcast::Receiver<CallEvent> {
        self.observers.subscribe()
    }

    /// The number of requests that reached each dependency, whatever their result was.
    pub fn calls(&self) -> BTreeMap<Dependency, u64> {
        Dependency::ALL.into_iter().map(|it| (it, self.calls.each[it as usize].load(Ordering::Relaxed))).collect()
    }

    fn decide(
        &self,
        dependency: Dependency,
        method: Method,
        path: String,
        WholeRequest { body, head }: WholeRequest,
    ) -> BoxFuture<FaultAction> {
        let own_number = self.calls.each[dependency as usize].fetch_add(1, Ordering::Relaxed);
        let number = self.calls.all.fetch_add(1, Ordering::Relaxed);
        let call = Call { dependency, method, path, body, head, own_number, number };
        self.injector.borrow().decide(&call)
    }

    /// Serves `router` as `dependency` on a loopback port (any free one if `None`) until the returned handle is dropped.
    pub async fn serve(&self, dependency: Dependency, router: Router, port: Option<u16>) -> std::io::Result<Served> {
        self.serve_on(dependency, router, Self::bind(port).await?)
    }

    /// Binds a loopback port (any free one if `None`), for a router that needs its address before it is served.
    pub async fn bind(port: Option<u16>) -> std::io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await
    }

    /// Serves `router` as `dependency` on a port from [`Network::bind`] until the returned handle is dropped.
    pub fn serve_on(&self, dependency: Dependency, router: Router, listener: TcpListener) -> std::io::Result<Served> {
        self.serve_with_protocol(dependency, router, None, listener)
    }

    /// The same, with another protocol beside HTTP.
    pub fn serve_with_protocol(
        &self,
        dependency: Dependency,
        router: Router,
        protocol: Option<ProtocolHandler>,
        listener: TcpListener,
    ) -> std::io::Result<Served> {
        let network = self.clone();
        let router = router.layer(middleware::from_fn(move |request, next| {
            let network = network.clone();
            async move { network.observed(dependency, request, next).await }
        }));
        let protocol = protocol.map(|protocol| (protocol, FaultDecider { network: self.clone(), dependency }));
        let switch = Switch::new();
        let site = Site::new(router, protocol, self.undelivered.clone(), &switch);
        Served::start(dependency, listener, switch, site)
    }

    async fn observed(&self, dependency: Dependency, request: Request, next: Next) -> Response {
        let ongoing = OngoingCall::new(&self.observers, dependency);
        let response = self.deliver(dependency, request, next).await;
        ongoing.answered((response.extensions().get::<Closed>().is_none()).then(|| response.status()));
        response
    }

    async fn deliver(&self, dependency: Dependency, request: Request, next: Next) -> Response {
        let tracker = request.extensions().get::<ReplyTracker>().cloned();
        let send = |response: Response| {
            if let (Some(tracker), Some(EffectId(effect))) = (&tracker, response.extensions().get()) {
                tracker.will_send(*effect);
            }
            response
        };
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        // The caller can disconnect within its request.
        let Some((request, whole)) = self.read_whole(request).await else { return close() };
        match self.decide(dependency, method, path, whole).await {
            FaultAction::Serve => send(next.run(request).await),
            FaultAction::Refuse(error) => error.into_response(),
            FaultAction::ReplaceReply(error) => {
                self.mark_undelivered(next.run(request).await);
                error.into_response()
            }
            FaultAction::ResetBefore => close(),
            FaultAction::ResetAfter => reset_within(self.mark_undelivered(next.run(request).await)).await,
            FaultAction::TruncateReply => match half(next.run(request).await).await {
                Half::Empty(whole) => send(whole),
                Half::Of(parts, start) => self.mark_undelivered(Response::from_parts(parts, Body::from(start))),
            },
            FaultAction::Hang => std::future::pending().await,
            FaultAction::HangAfter => {
                self.mark_undelivered(next.run(request).await);
                std::future::pending().await
            }
        }
    }

    /// The request, and its body and headers if the fault injector reads them.
    async fn read_whole(&self, request: Request) -> Option<(Request, WholeRequest)> {
        let reads_bodies = self.injector.borrow().reads_bodies();
        if !reads_bodies {
            return Some((request, WholeRequest::default()));
        }
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(Collected::to_bytes).ok()?;
        let query = parts.uri.query().map(str::to_owned);
        let head = Some(Box::new(CallHead { query, version: parts.version, headers: parts.headers.clone() }));
        Some((Request::from_parts(parts, Body::from(body.clone())), WholeRequest { body, head }))
    }

    /// Records that the caller will not receive this reply.
    fn mark_undelivered(&self, response: Response) -> Response {
        if let Some(EffectId(effect)) = response.extensions().get() {
            self.undelivered.add(*effect);
        }
        response
    }
}

#[cfg(test)]
mod tests;
