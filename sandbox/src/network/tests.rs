use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::{get, post};
use hyper_util::rt::TokioIo;

use super::reply_tracker::TrackedStream;
use super::*;

/// The same action for every call.
struct Always(FaultAction);

impl FaultInjector for Always {
    fn decide(&self, _: &Call) -> BoxFuture<FaultAction> {
        let action = self.0.clone();
        Box::pin(async move { action })
    }
}

/// A dependency that counts its effects and puts the number into each reply.
async fn counter(network: &Network) -> (Served, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let counting = count.clone();
    let effect = move || {
        let number = counting.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response.extensions_mut().insert(EffectId(number));
            response
        }
    };
    let router = Router::new().route("/effect", post(effect)).route("/text", get(|| async { "0123456789" }));
    (network.serve(Dependency::Dataverse, router, None).await.unwrap(), count)
}

async fn under(action: FaultAction) -> (Network, Served, Arc<AtomicU64>, reqwest::Result<reqwest::Response>) {
    let network = Network::new(Always(action));
    let (served, count) = counter(&network).await;
    let reply = reqwest::Client::new().post(format!("{}effect", served.url())).send().await;
    (network, served, count, reply)
}

fn effects(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_served_reply_is_delivered() {
    let (network, served, count, reply) = under(FaultAction::Serve).await;
    assert_eq!(reply.unwrap().status(), 204);
    drop(served);
    assert_eq!((effects(&count), network.undelivered().len()), (1, 0));
}

#[tokio::test]
async fn a_refused_call_gets_the_error_reply_and_has_no_effect() {
    let error = ErrorReply { body: "{}".to_owned(), ..ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS) };
    let (_, _served, count, reply) = under(FaultAction::Refuse(error.with("retry-after", "2"))).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].as_bytes()), (429, "2".as_bytes()));
    assert_eq!(reply.text().await.unwrap(), "{}");
    assert_eq!(effects(&count), 0);
}

#[tokio::test]
async fn a_replaced_reply_hides_an_effect() {
    let (network, _served, count, reply) =
        under(FaultAction::ReplaceReply(ErrorReply::bare(StatusCode::GATEWAY_TIMEOUT))).await;
    assert_eq!(reply.unwrap().status(), 504);
    assert_eq!((effects(&count), network.undelivered()), (1, BTreeSet::from([1])));
}

#[tokio::test]
async fn a_connection_is_reset_before_or_after_the_effect() {
    let (network, _served, count, reply) = under(FaultAction::ResetBefore).await;
    assert!(!reply.unwrap_err().is_connect());
    assert_eq!((effects(&count), network.undelivered().len()), (0, 0));

    let (network, _served, count, reply) = under(FaultAction::ResetAfter).await;
    assert!(!reply.unwrap_err().is_connect());
    assert_eq!((effects(&count), network.undelivered()), (1, BTreeSet::from([1])));
}

#[tokio::test]
async fn a_reply_without_body_cannot_be_truncated() {
    let (network, served, count, reply) = under(FaultAction::TruncateReply).await;
    assert_eq!(reply.unwrap().status(), 204);
    assert_eq!((effects(&count), network.undelivered().len()), (1, 0));
    let text = reqwest::get(format!("{}text", served.url())).await.unwrap();
    assert_eq!(text.text().await.unwrap(), "01234");
}

#[tokio::test]
async fn a_reply_ends_in_the_middle() {
    let network = Network::new(Always(FaultAction::ResetAfter));
    let (served, _) = counter(&network).await;
    let reply = reqwest::get(format!("{}text", served.url())).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.text().await.is_err());
}

#[tokio::test]
async fn a_reply_that_cannot_be_sent_any_more_is_undelivered() {
    let undelivered = UndeliveredEffects::default();
    let (lost, sent) = (ReplyTracker::new(&undelivered), ReplyTracker::new(&undelivered));
    lost.will_send(1);
    sent.will_send(2);
    let (mut stream, _peer) = tokio::io::duplex(64);
    let mut stream = TrackedStream::new(TokioIo::new(&mut stream), sent);
    let write = std::future::poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut stream), cx, b"HTTP/1.1 204"));
    assert_eq!(write.await.unwrap(), 12);
    drop((lost, stream));
    assert_eq!(undelivered.all(), BTreeSet::from([1]));
}

#[tokio::test]
async fn a_hanging_call_ends_with_the_callers_timeout() {
    let network = Network::new(Always(FaultAction::Hang));
    let (served, count) = counter(&network).await;
    let client = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
    let reply = client.post(format!("{}effect", served.url())).send().await;
    assert!(reply.unwrap_err().is_timeout());
    assert_eq!(effects(&count), 0);
}

#[tokio::test]
async fn observers_receive_the_result_of_each_call() {
    let refused = FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE));
    for (action, status) in [
        (FaultAction::Serve, Some(StatusCode::NO_CONTENT)),
        (refused, Some(StatusCode::SERVICE_UNAVAILABLE)),
        (FaultAction::ResetBefore, None),
    ] {
        let network = Network::new(Always(action));
        let (served, _) = counter(&network).await;
        let mut observer = network.observe();
        drop(reqwest::Client::new().post(format!("{}effect", served.url())).send().await);
        let event = observer.recv().await.unwrap();
        assert_eq!((event.dependency, event.status), (Dependency::Dataverse, status));
    }
}

#[tokio::test]
async fn observers_receive_cancelled_calls_too() {
    let network = Network::new(Always(FaultAction::Hang));
    let (served, _) = counter(&network).await;
    let mut observer = network.observe();
    let client = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
    assert!(client.post(format!("{}effect", served.url())).send().await.is_err());
    assert_eq!(observer.recv().await.unwrap().status, None);
}

#[tokio::test]
async fn connections_are_refused_after_the_current_reply() {
    let network = Network::new(NoFaults::default());
    let (served, count) = counter(&network).await;
    let (client, url) = (reqwest::Client::new(), format!("{}effect", served.url()));
    // One idle connection.
    assert_eq!(client.post(&url).send().await.unwrap().status(), 204);
    let switch = served.switch();
    network.set_faults(RefusesLater(switch.clone()));
    assert_eq!(client.post(&url).send().await.unwrap().status(), 204);
    for _ in 0..3 {
        assert!(client.post(&url).send().await.unwrap_err().is_connect());
    }
    assert!(*served.reachability().borrow());
    switch.set_accepting(true).await;
    network.set_faults(NoFaults::default());
    assert_eq!(client.post(&url).send().await.unwrap().status(), 204);
    assert_eq!(effects(&count), 3);
}

/// Serves the current call, and refuses the next connections.
struct RefusesLater(Switch);

impl FaultInjector for RefusesLater {
    fn decide(&self, _: &Call) -> BoxFuture<FaultAction> {
        let switch = self.0.clone();
        Box::pin(async move {
            switch.set_accepting(false).await;
            FaultAction::Serve
        })
    }
}

#[tokio::test]
async fn the_injector_sees_the_body() {
    let (network, seen) = (Network::new(NoFaults::default()), Arc::new(std::sync::Mutex::new(Bytes::new())));
    network.set_faults(Bodies(seen.clone()));
    let (served, _) = counter(&network).await;
    let client = reqwest::Client::new();
    drop(client.post(format!("{}effect", served.url())).body("content").send().await.unwrap());
    assert_eq!(seen.lock().unwrap().as_ref(), b"content");
}

struct Bodies(Arc<std::sync::Mutex<Bytes>>);

impl FaultInjector for Bodies {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        *self.0.lock().unwrap() = call.body.clone();
        Box::pin(async { FaultAction::Serve })
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}
