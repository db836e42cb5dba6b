//! The Commerce Scale Unit: its Retail Server routes over a [`Shop`], with the event framework's extension.
//!
//! The wire format follows Microsoft's Commerce Scale Unit documentation ("Retail Server customer and consumer APIs",
//! "Consume Retail Server APIs in external applications") and the published event framework sample. Where neither
//! describes a behavior, the comment has UNCONFIRMED and the stricter form is used.

mod error;
mod routes;
mod search;
mod url;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use chrono::TimeDelta;

use self::error::ErrorReply;
use self::search::Cache;
use self::url::{Path, Query};
use crate::auth::TokenCheck;
use crate::shop::{self, Channel, Shop, SqlDateTime};

/// A Scale Unit. Clones share it.
#[derive(Clone)]
pub struct Csu(Arc<Inner>);

struct Inner {
    shop: Shop,
    tokens: Arc<dyn TokenCheck>,
    options: CsuOptions,
    state: Mutex<Memory>,
}

/// The options of an installation.
#[derive(Clone, Debug)]
pub struct CsuOptions {
    /// The largest page. UNCONFIRMED: no maximum is documented. A larger `$top` is rejected, because a shortened page
    /// would look like the last one.
    pub max_top: usize,
    /// How long the extension caches a search result.
    pub cache_for: TimeDelta,
    /// Whether the role Application may read sales orders. UNCONFIRMED: Microsoft's table of roles does not list it,
    /// but the published sample does it.
    pub application_reads_orders: bool,
    /// The only authorization scheme that is accepted. `None`: both `Bearer` and `id_token`. UNCONFIRMED: Microsoft's
    /// older text shows `id_token` only.
    pub scheme: Option<&'static str>,
    /// The largest number of rows in a page, whatever `$top` asks for. `None`: as many as `$top`. UNCONFIRMED.
    pub page_limit: Option<usize>,
    /// Whether `$count` has an effect. UNCONFIRMED: an extension computes the count or does not.
    pub counts: bool,
    /// Whether absent customers and checked-out carts have error names of their own, with status 400. UNCONFIRMED: which
    /// of the names of the runtime's enumeration a version uses.
    pub specific_error_names: bool,
    /// Whether bodies begin with a byte order mark, as some gateways write them.
    pub byte_order_marks: bool,
    /// Whether new customers have a GUID as number until their second visit ("Asynchronous customer creation mode").
    pub asynchronous_customers: bool,
}

impl Default for CsuOptions {
    fn default() -> Self {
        Self {
            max_top: 1000,
            cache_for: TimeDelta::hours(1),
            application_reads_orders: true,
            scheme: None,
            page_limit: None,
            counts: true,
            specific_error_names: false,
            byte_order_marks: false,
            asynchronous_customers: false,
        }
    }
}

impl CsuOptions {
    /// What a Scale Unit may do that a client does not expect, all at once.
    pub fn odd() -> Self {
        Self {
            page_limit: Some(20),
            counts: false,
            byte_order_marks: true,
            asynchronous_customers: true,
            ..Self::default()
        }
    }
}

/// State of the Scale Unit itself, outside the shop's database.
#[derive(Default)]
struct Memory {
    cache: Cache,
    /// By application name.
    last_sync: HashMap<String, SqlDateTime>,
}

/// An authorized request: its channel and its query.
struct Request<'a> {
    channel: &'static Channel,
    query: &'a Query,
    headers: &'a HeaderMap,
    body: &'a [u8],
}

/// The supported versions of the Retail Server API.
const API_VERSIONS: [&str; 3] = ["7.1", "7.2", "7.3"];

impl Csu {
    /// A Scale Unit for `shop`. `entra_check` validates the callers' tokens.
    pub fn new(shop: Shop, entra_check: Arc<dyn TokenCheck>, options: CsuOptions) -> Self {
        Self(Arc::new(Inner { shop, tokens: entra_check, options, state: Mutex::default() }))
    }

    /// The Retail Server's routes under `/Commerce/`, and also under `//Commerce/`, because clients may append a path
    /// to a base address with a trailing slash.
    pub fn router(&self) -> Router {
        // OData paths have keys and arguments in parentheses, in any encoding. They are parsed here, not with route
        // patterns.
        Router::new().fallback(serve).with_state(self.clone())
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response, ErrorReply> {
        let path = Path::parse(uri.path()).ok_or(ErrorReply::NoSuchRoute)??;
        let route = routes::find(method, &path).ok_or(ErrorReply::NoSuchRoute)?;
        let accepts = |header: &&str| self.0.options.scheme.is_none_or(|scheme| header.starts_with(scheme));
        self.0.tokens.check(text(headers, header::AUTHORIZATION.as_str()).filter(accepts))?;
        if matches!(route, routes::Route::Order(_)) && !self.0.options.application_reads_orders {
            return Err(ErrorReply::Forbidden);
        }
        let query = Query::parse(uri.query().unwrap_or_default())?;
        if !query.get("api-version").is_some_and(|version| API_VERSIONS.contains(&version)) {
            return Err(ErrorReply::ApiVersion);
        }
        let channel = text(headers, "OUN").and_then(shop::channel_of_oun).ok_or(ErrorReply::InvalidChannel)?;
        self.run(route, &Request { channel, query: &query, headers, body })
    }

    fn state(&self) -> MutexGuard<'_, Memory> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(State(csu): State<Csu>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    // A request takes no simulated time.
    let _hold = csu.0.shop.clock().hold();
    let response = csu.answer(&method, &uri, &headers, &body).unwrap_or_else(ErrorReply::into_response);
    if csu.0.options.byte_order_marks { with_mark(response).await } else { response }
}

/// The response with a byte order mark before its body.
async fn with_mark(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let marked = [b"\xEF\xBB\xBF".as_slice(), &body].concat();
    Response::from_parts(parts, if body.is_empty() { Body::empty() } else { Body::from(marked) })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; odata.metadata=minimal"));
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    response
}

#[cfg(test)]
mod tests;
