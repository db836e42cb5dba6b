use std::pin::Pin;

use axum::http::StatusCode;
use axum::routing::{get, post};

use super::*;

/// Every call has this fate.
struct Always(FaultAction);

impl FaultInjector for Always {
    fn decide(&self, _: &Call) -> BoxFuture<FaultAction> {
        let fate = self.0.clone();
        Box::pin(async move { fate })
    }
}

/// A dependency that counts its effects, and tells of each.
async fn counter(wire: &Network) -> (Served, Arc<AtomicU64>) {
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
    (wire.serve(Dependency::Dataverse, router, None).await.unwrap(), count)
}

async fn under(fate: FaultAction) -> (Network, Served, Arc<AtomicU64>, reqwest::Result<reqwest::Response>) {
    let wire = Network::new(Always(fate));
    let (served, count) = counter(&wire).await;
    let reply = reqwest::Client::new().post(format!("{}effect", served.url())).send().await;
    (wire, served, count, reply)
}

fn effects(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_served_reply_is_not_withheld() {
    let (wire, served, count, reply) = under(FaultAction::Serve).await;
    assert_eq!(reply.unwrap().status(), 204);
    drop(served);
    assert_eq!((effects(&count), wire.withheld().len()), (1, 0));
}

#[tokio::test]
async fn a_refusal_is_said_as_the_dependency_says_it_and_has_no_effect() {
    let refusal = ErrorReply { body: "{}".to_owned(), ..ErrorReply::bare(StatusCode::TOO_MANY_REQUESTS) };
    let (_, _served, count, reply) = under(FaultAction::Refuse(refusal.with("retry-after", "2"))).await;
    let reply = reply.unwrap();
    assert_eq!((reply.status().as_u16(), reply.headers()["retry-after"].as_bytes()), (429, "2".as_bytes()));
    assert_eq!(reply.text().await.unwrap(), "{}");
    assert_eq!(effects(&count), 0);
}

#[tokio::test]
async fn what_a_gateway_says_may_hide_an_effect() {
    let (wire, _served, count, reply) =
        under(FaultAction::ReplaceReply(ErrorReply::bare(StatusCode::GATEWAY_TIMEOUT))).await;
    assert_eq!(reply.unwrap().status(), 504);
    assert_eq!((effects(&count), wire.withheld()), (1, BTreeSet::from([1])));
}

#[tokio::test]
async fn a_connection_breaks_before_or_after_the_effect() {
    let (wire, _served, count, reply) = under(FaultAction::ResetBefore).await;
    assert!(!reply.unwrap_err().is_connect());
    assert_eq!((effects(&count), wire.withheld().len()), (0, 0));

    let (wire, _served, count, reply) = under(FaultAction::ResetAfter).await;
    assert!(!reply.unwrap_err().is_connect());
    assert_eq!((effects(&count), wire.withheld()), (1, BTreeSet::from([1])));
}

#[tokio::test]
async fn a_reply_without_body_cannot_be_cut() {
    let (wire, served, count, reply) = under(FaultAction::TruncateReply).await;
    assert_eq!(reply.unwrap().status(), 204);
    assert_eq!((effects(&count), wire.withheld().len()), (1, 0));
    let text = reqwest::get(format!("{}text", served.url())).await.unwrap();
    assert_eq!(text.text().await.unwrap(), "01234");
}

#[tokio::test]
async fn a_reply_breaks_off_in_the_middle() {
    let wire = Network::new(Always(FaultAction::ResetAfter));
    let (served, _) = counter(&wire).await;
    let reply = reqwest::get(format!("{}text", served.url())).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert!(reply.text().await.is_err());
}

#[tokio::test]
async fn a_reply_that_cannot_leave_any_more_is_withheld() {
    let withheld = UndeliveredEffects::default();
    let (lost, sent) = (Link::new(&withheld), Link::new(&withheld));
    lost.is_to_send(1);
    sent.is_to_send(2);
    let (mut stream, _peer) = tokio::io::duplex(64);
    let mut stream = Noted::new(TokioIo::new(&mut stream), sent);
    let write = std::future::poll_fn(|cx| hyper::rt::Write::poll_write(Pin::new(&mut stream), cx, b"HTTP/1.1 204"));
    assert_eq!(write.await.unwrap(), 12);
    drop((lost, stream));
    assert_eq!(withheld.all(), BTreeSet::from([1]));
}

#[tokio::test]
async fn a_hanging_call_ends_with_the_callers_patience() {
    let wire = Network::new(Always(FaultAction::Hang));
    let (served, count) = counter(&wire).await;
    let impatient = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
    let reply = impatient.post(format!("{}effect", served.url())).send().await;
    assert!(reply.unwrap_err().is_timeout());
    assert_eq!(effects(&count), 0);
}

#[tokio::test]
async fn whoever_listens_is_told_how_each_call_went() {
    let refused = FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE));
    for (fate, status) in [
        (FaultAction::Serve, Some(StatusCode::NO_CONTENT)),
        (refused, Some(StatusCode::SERVICE_UNAVAILABLE)),
        (FaultAction::ResetBefore, None),
    ] {
        let wire = Network::new(Always(fate));
        let (served, _) = counter(&wire).await;
        let mut tap = wire.tap();
        drop(reqwest::Client::new().post(format!("{}effect", served.url())).send().await);
        let passed = tap.recv().await.unwrap();
        assert_eq!((passed.dependency, passed.status), (Dependency::Dataverse, status));
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_is_told_too() {
    let wire = Network::new(Always(FaultAction::Hang));
    let (served, _) = counter(&wire).await;
    let mut tap = wire.tap();
    let client = reqwest::Client::builder().timeout(Duration::from_millis(50)).build().unwrap();
    assert!(client.post(format!("{}effect", served.url())).send().await.is_err());
    assert_eq!(tap.recv().await.unwrap().status, None);
}
