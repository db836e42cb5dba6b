//! A bare client: a custom handler that makes recorded calls and does nothing else. It shows what the calls themselves cost
//! with the same HTTP library, the same kind of connections and the same host.
//!
//! The host starts it like the handler: as this program with the port in the environment, in a folder with a recording.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use commerce_journeys::host::{failure, listen, success};
use futures::stream::{FuturesUnordered, StreamExt as _};
use reqwest::{Client, Method, Request};

use crate::failure::Failure;
use crate::recording::{RecordedCall, Recording};

/// Whether the Functions host has started this program.
pub(crate) fn is_requested() -> bool {
    std::env::var_os("FUNCTIONS_CUSTOMHANDLER_PORT").is_some()
}

/// Serves invocations until the process is killed.
pub(crate) async fn serve() -> Result<(), Failure> {
    let client = Arc::new(BareClient::new(Recording::read()?)?);
    let listener = listen(|name| std::env::var(name).ok()).await?;
    let router = Router::new().route("/", get(async || success())).fallback(invoke).with_state(client);
    Ok(axum::serve(listener, router).await?)
}

async fn invoke(State(client): State<Arc<BareClient>>, _: Bytes) -> Response {
    match client.replay().await {
        Ok(()) => success(),
        Err(error) => failure(&error.to_string()),
    }
}

struct BareClient {
    http1: Client,
    /// Cosmos DB's client speaks HTTP/2 without TLS too.
    http2: Client,
    concurrency: usize,
    rounds: Vec<(usize, Vec<Prepared>)>,
    invocations: AtomicUsize,
}

/// A request that only has to be sent.
struct Prepared {
    http2: bool,
    request: Request,
}

impl BareClient {
    fn new(recording: Recording) -> Result<Self, Failure> {
        let mut rounds = Vec::new();
        for round in recording.rounds {
            let calls = round.calls.into_iter().map(prepare).collect::<Result<_, Failure>>()?;
            rounds.push((round.invocations, calls));
        }
        Ok(Self {
            http1: Client::builder().no_proxy().build()?,
            http2: Client::builder().no_proxy().http2_prior_knowledge().build()?,
            concurrency: recording.concurrency,
            rounds,
            invocations: AtomicUsize::new(0),
        })
    }

    /// Makes the next invocation's share of the calls. What must come before the first order is read comes one by one.
    async fn replay(&self) -> Result<(), reqwest::Error> {
        let calls = self.calls_of(self.invocations.fetch_add(1, Ordering::Relaxed));
        let reads = calls.iter().position(|call| call.request.method() == Method::GET).unwrap_or(calls.len());
        let (first, rest) = calls.split_at(reads);
        for call in first {
            self.send(call).await?;
        }
        let mut sent = FuturesUnordered::new();
        for call in rest {
            if sent.len() == self.concurrency {
                sent.next().await.transpose()?;
            }
            sent.push(self.send(call));
        }
        while sent.next().await.transpose()?.is_some() {}
        Ok(())
    }

    fn calls_of(&self, invocation: usize) -> &[Prepared] {
        let mut number = invocation;
        for (invocations, calls) in &self.rounds {
            if number < *invocations {
                let share = |number| calls.len() * number / invocations;
                return &calls[share(number)..share(number + 1)];
            }
            number -= invocations;
        }
        &[]
    }

    async fn send(&self, call: &Prepared) -> Result<(), reqwest::Error> {
        let client = if call.http2 { &self.http2 } else { &self.http1 };
        let Some(request) = call.request.try_clone() else { return Ok(()) };
        client.execute(request).await?.bytes().await.map(drop)
    }
}

fn prepare(call: RecordedCall) -> Result<Prepared, Failure> {
    let body = call.body()?;
    let mut request = Request::new(call.method.parse()?, call.url.parse()?);
    for (name, value) in call.headers {
        request.headers_mut().append(reqwest::header::HeaderName::try_from(name)?, value.parse()?);
    }
    if !body.is_empty() {
        *request.body_mut() = Some(body.into());
    }
    Ok(Prepared { http2: call.http2, request })
}
