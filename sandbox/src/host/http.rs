//! HTTP functions: keys, methods, and forwarded requests.

use std::sync::Arc;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use percent_encoding::percent_decode_str;

use super::Inner;
use super::client::{Answer, Body, Call};
use super::events::Outcome;
use super::function::{AuthLevel, HttpTrigger, Trigger};
use super::invoke::Invocation;

/// The largest request body in bytes: the host's default.
const MAX_BODY: usize = 104_857_600;

/// The keys of the app's HTTP functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The key for functions of level `function`.
    pub function: String,
    /// The master key for all functions.
    pub master: String,
}

/// Headers of a single connection, which are not forwarded.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"];

/// The routes of the functions.
pub(super) fn router(inner: &Arc<Inner>) -> Router {
    let mut router = Router::new();
    for function in &inner.app.functions {
        let Trigger::Http(trigger) = &function.trigger else { continue };
        let path = [inner.app.route_prefix.as_str(), trigger.route.as_str()]
            .iter()
            .filter(|part| !part.is_empty())
            .map(|part| format!("/{}", part.trim_matches('/')))
            .collect::<String>();
        let (inner, function, trigger) = (inner.clone(), function.name.clone(), trigger.clone());
        let serve = move |request: Request| {
            let (inner, function, trigger) = (inner.clone(), function.clone(), trigger.clone());
            async move { serve(&inner, &function, &trigger, request).await }
        };
        router = router.route(&path, any(serve));
    }
    router
}

async fn serve(inner: &Inner, function: &str, trigger: &HttpTrigger, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // The methods are part of the host's routes: without a route there is no function.
    if !trigger.methods.is_empty() && !trigger.methods.contains(&parts.method) {
        return empty(StatusCode::NOT_FOUND);
    }
    if !admits(&inner.keys, trigger.auth, &parts.uri, &parts.headers) {
        inner.count(|counters| counters.refused += 1);
        return empty(StatusCode::UNAUTHORIZED);
    }
    if inner.handler_state.borrow().stopping {
        return empty(StatusCode::BAD_GATEWAY);
    }
    let is_chunked = parts.headers.contains_key(TRANSFER_ENCODING) && !parts.headers.contains_key(CONTENT_LENGTH);
    let body = read(body).await;
    if let (true, Ok(_)) = (is_chunked, &body) {
        return failed(inner, function, "the host does not forward a body without a Content-Length");
    }
    let Ok(body) = body else {
        let mut response = failed(inner, function, "the request body is too large");
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        return response;
    };
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut headers = parts.headers;
    without_connection(&mut headers);
    let place = inner.requests.add(function, &body, inner.clock.now());
    let call = Call { method: parts.method, path_and_query, headers, body: Body::Measured(body) };
    let mut invocation = Invocation::begin(inner, function, inner.clock.hold());
    match invocation.forward(call).await {
        Ok(answer) => {
            inner.requests.set_answered(place, inner.clock.now(), answer.status.as_u16());
            invocation.end(&Outcome::Succeeded);
            passed_on(answer)
        }
        Err(outcome) => {
            invocation.end(&outcome);
            // The front end of a killed instance gets no answer.
            let lost = outcome == Outcome::Lost;
            empty(if lost { StatusCode::BAD_GATEWAY } else { StatusCode::INTERNAL_SERVER_ERROR })
        }
    }
}

/// Reads the whole body. Also a body that is too large is read to its end, so that the caller gets the answer.
async fn read(body: AxumBody) -> Result<Bytes, TooLarge> {
    let (mut body, mut read, mut too_large) = (body.into_data_stream(), BytesMut::new(), false);
    while let Some(Ok(data)) = body.next().await {
        too_large |= read.len() + data.len() > MAX_BODY;
        if !too_large {
            read.extend_from_slice(&data);
        }
    }
    if too_large { Err(TooLarge) } else { Ok(read.freeze()) }
}

/// The body is larger than the host accepts.
struct TooLarge;

/// The answer to a request that fails in the host, before the handler sees it.
fn failed(inner: &Inner, function: &str, reason: &str) -> Response {
    Invocation::begin(inner, function, inner.clock.hold()).end(&Outcome::Failed(reason.to_owned()));
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The header takes precedence over the query, like in the host.
fn admits(keys: &Keys, level: AuthLevel, uri: &Uri, headers: &HeaderMap) -> bool {
    let sent = headers.get("x-functions-key").and_then(|key| key.to_str().ok().map(str::to_owned));
    let sent = sent.or_else(|| code(uri.query()?)).unwrap_or_default();
    match level {
        AuthLevel::Anonymous => true,
        AuthLevel::Function => sent == keys.function || sent == keys.master,
        AuthLevel::Admin => sent == keys.master,
    }
}

fn code(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("code="))?;
    Some(percent_decode_str(value).decode_utf8_lossy().into_owned())
}

fn without_connection(headers: &mut HeaderMap) {
    for name in OF_THE_CONNECTION {
        headers.remove(name);
    }
}

fn passed_on(mut answer: Answer) -> Response {
    without_connection(&mut answer.headers);
    let mut response = Response::new(AxumBody::from(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(AxumBody::empty());
    *response.status_mut() = status;
    response
}
