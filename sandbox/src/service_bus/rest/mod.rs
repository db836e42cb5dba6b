//! The HTTP interface of the broker: the Service Bus REST API.
//!
//! <https://learn.microsoft.com/rest/api/servicebus/service-bus-runtime-rest>

mod format;
mod reply;
pub(super) mod sas;
mod target;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header, request};
use axum::response::Response;
use bytes::Bytes;
use uuid::Uuid;

use self::reply::ErrorReply;
pub use self::sas::SasKey;
use self::target::Target;
use super::{Broker, Delivery, EntityNotFound, EntityPath, SendError, SettleError};
use crate::auth::TokenCheck;

/// The default time-out of a receive.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest body that is read. All topics have a smaller limit.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The answer to AMQP over WebSockets.
const WEBSOCKETS: &str = "50100: The sandbox does not support AMQP over WebSockets. Use AMQP over TCP (the default \
                          transport type of the client libraries) on the same port.";
/// The answer to management requests.
const MANAGEMENT: &str = "50100: The sandbox does not support the management of entities over HTTP. Its topic and its \
                          subscription exist from the start.";

/// The namespace of the interface.
#[derive(Clone, Debug)]
pub struct RestOptions {
    /// The host name, e.g. `contoso.servicebus.windows.net`. Signatures for it are valid here.
    pub namespace: String,
    /// The shared access policies. Empty if only Entra tokens are accepted.
    pub keys: Vec<SasKey>,
    /// Whether a property header with unquoted text is rejected (as one report says), or accepted as text.
    pub strict_properties: bool,
}

/// Service Bus over HTTP. Clones share one broker.
#[derive(Clone)]
pub struct ServiceBusRest {
    broker: Broker,
    options: Arc<RestOptions>,
    check: Arc<dyn TokenCheck>,
}

impl ServiceBusRest {
    /// An interface for `broker`. `check` validates tokens that are not shared access signatures.
    pub fn new(broker: Broker, options: RestOptions, check: Arc<dyn TokenCheck>) -> Self {
        Self { broker, options: Arc::new(options), check }
    }

    /// The routes, for a port of their own.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// The connection string with the first policy, if there is one.
    pub fn connection_string(&self, port: u16) -> Option<String> {
        self.options.keys.first().map(|SasKey { name, key }| {
            format!(
                "Endpoint=sb://127.0.0.1:{port};SharedAccessKeyName={name};SharedAccessKey={key};\
                 UseDevelopmentEmulator=true"
            )
        })
    }

    /// Authorization comes first: an unauthorized caller does not learn what exists.
    fn authorize(&self, request: &request::Parts) -> Result<(), ErrorReply> {
        let authorization = match request.headers.get(header::AUTHORIZATION).map(HeaderValue::to_str) {
            Some(Ok(value)) => Some(value),
            Some(Err(_)) => return Err(crate::auth::TokenError::Malformed.into()),
            None => None,
        };
        let result = match authorization.and_then(|value| value.strip_prefix(sas::SCHEME)) {
            Some(parameters) => {
                let hosts = [self.options.namespace.as_str(), "127.0.0.1", "localhost"];
                let request =
                    sas::SasRequest { hosts: &hosts, path: request.uri.path(), now: self.broker.clock().now() };
                sas::check(parameters, &self.options.keys, &request)
            }
            None => self.check.check(authorization),
        };
        result.map_err(ErrorReply::from)
    }

    /// Microsoft documents 401 for a missing right too. The text is taken from reports.
    fn demand_right(&self, target: &Target) -> Result<(), ErrorReply> {
        let rights = self.broker.rights();
        let (held, operation, entity) = match target {
            Target::Topic(topic) => (rights.send, "Send", topic.clone()),
            Target::Head(entity) | Target::Locked(entity, ..) => {
                (rights.listen, "Receive", format!("{}/subscriptions/{}", entity.topic, entity.subscription))
            }
        };
        if held {
            return Ok(());
        }
        let endpoint = format!("sb://{}/{entity}", self.options.namespace);
        let detail =
            format!("40100: Unauthorized : Unauthorized access for '{operation}' operation on endpoint '{endpoint}'.");
        Err(ErrorReply::new(StatusCode::UNAUTHORIZED, detail))
    }

    async fn answer(&self, request: &request::Parts, body: Body) -> Result<Response, ErrorReply> {
        unsupported(request)?;
        self.authorize(request)?;
        let unknown = || ErrorReply::new(StatusCode::NOT_FOUND, "The path does not exist.");
        let target = Target::parse(request.uri.path()).ok_or_else(unknown)?;
        self.demand_right(&target)?;
        match (target, &request.method) {
            (Target::Topic(topic), &Method::POST) => self.send(&topic, &request.headers, body).await,
            (Target::Head(entity), &Method::POST) => self.peek_lock(&entity, request).await,
            (Target::Head(entity), &Method::DELETE) => self.receive_and_delete(&entity, request).await,
            (Target::Locked(entity, message, lock), &Method::DELETE) => {
                let lock = self.lock(&entity, &message, &lock)?;
                settled(self.broker.complete(lock))
            }
            (Target::Locked(entity, message, lock), &Method::PUT) => {
                let lock = self.lock(&entity, &message, &lock)?;
                settled(self.broker.abandon(lock))
            }
            (Target::Locked(entity, message, lock), &Method::POST) => {
                let lock = self.lock(&entity, &message, &lock)?;
                settled(self.broker.renew(lock).map(drop))
            }
            _ => Err(ErrorReply::new(StatusCode::METHOD_NOT_ALLOWED, "The method is not supported here.")),
        }
    }

    async fn send(&self, topic: &str, headers: &HeaderMap, body: Body) -> Result<Response, ErrorReply> {
        let limit = self.broker.max_message_bytes(topic)?;
        let body = to_bytes(body, MOST_BYTES).await;
        let body = body.map_err(|_| ErrorReply::bad("The body could not be read, or is far too large."))?;
        // It is not documented whether the limit is for a batch as sent or as decoded. Both are checked: as sent here,
        // and as decoded in the broker.
        if body.len() > limit {
            return Err(SendError::TooLarge { limit, size: body.len() }.into());
        }
        let messages = if is_batch(headers) {
            format::batch(&body)?
        } else {
            vec![format::single(headers, body, self.options.strict_properties)?]
        };
        self.broker.send(topic, messages)?;
        let mut response = empty(StatusCode::CREATED);
        if let Some(value) = headers.get(header::CONTENT_TYPE) {
            response.headers_mut().insert(header::CONTENT_TYPE, value.clone());
        }
        Ok(response)
    }

    async fn peek_lock(&self, entity: &EntityPath, request: &request::Parts) -> Result<Response, ErrorReply> {
        let Some(delivery) = self.receive(entity, timeout(request)?).await? else {
            return Ok(empty(StatusCode::NO_CONTENT));
        };
        let mut response = received(StatusCode::CREATED, &delivery, true);
        if let Some(location) = location(entity, &delivery, request) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    async fn receive_and_delete(&self, entity: &EntityPath, request: &request::Parts) -> Result<Response, ErrorReply> {
        let Some(delivery) = self.receive(entity, timeout(request)?).await? else {
            return Ok(empty(StatusCode::NO_CONTENT));
        };
        self.broker.complete(delivery.lock_token).map_err(lost)?;
        Ok(received(StatusCode::OK, &delivery, false))
    }

    /// The next message, if there is one within `timeout`. Waiting suspends one hold on simulated time, because a
    /// caller inside an invocation would otherwise stop the time that it waits for.
    async fn receive(&self, entity: &EntityPath, timeout: Duration) -> Result<Option<Delivery>, EntityNotFound> {
        if let Some(delivery) = self.broker.try_receive(entity)? {
            return Ok(Some(delivery));
        }
        if timeout.is_zero() {
            return Ok(None);
        }
        tokio::select! {
            biased;
            delivery = self.broker.receive(entity) => delivery.map(Some),
            () = self.broker.clock().sleep_inside(timeout) => Ok(None),
        }
    }

    /// The lock in the path, if it is for that message.
    fn lock(&self, entity: &EntityPath, message: &str, lock: &str) -> Result<Uuid, ErrorReply> {
        if !self.broker.exists(entity) {
            return Err(EntityNotFound.into());
        }
        let lock = lock.parse().ok().filter(|lock| self.broker.holds(*lock, entity, message));
        lock.ok_or_else(|| lost(SettleError::LockLost))
    }
}

/// What the sandbox does not have is said before anything else, so that nobody looks for the cause elsewhere. Requests
/// for management have a version, and their paths are those of entities.
fn unsupported(request: &request::Parts) -> Result<(), ErrorReply> {
    let (path, query) = (request.uri.path(), request.uri.query().unwrap_or_default());
    let is_management = query.split('&').any(|pair| pair.to_ascii_lowercase().starts_with("api-version="));
    if path.eq_ignore_ascii_case("/$servicebus/websocket") {
        return Err(ErrorReply::new(StatusCode::NOT_IMPLEMENTED, WEBSOCKETS));
    }
    if (is_management || path.starts_with("/$")) && Target::parse(path).is_none() {
        return Err(ErrorReply::new(StatusCode::NOT_IMPLEMENTED, MANAGEMENT));
    }
    Ok(())
}

async fn handle(State(rest): State<ServiceBusRest>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let result = rest.answer(&parts, body).await;
    result.unwrap_or_else(|error| error.reply(parts.uri.path(), rest.broker.clock().now()))
}

fn is_batch(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().is_some_and(|media| media.trim().eq_ignore_ascii_case(format::BATCH))
}

/// The `timeout` of the query, in seconds.
fn timeout(request: &request::Parts) -> Result<Duration, ErrorReply> {
    let query = request.uri.query().unwrap_or_default();
    let given =
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case("timeout"));
    match given {
        None => Ok(DEFAULT_TIMEOUT),
        Some((_, seconds)) => seconds
            .parse::<u32>()
            .map(|seconds| Duration::from_secs(seconds.into()))
            .map_err(|_| ErrorReply::bad(format!("The timeout '{seconds}' is invalid."))),
    }
}

/// The address of the locked message, on the server that the caller used.
fn location(entity: &EntityPath, delivery: &Delivery, request: &request::Parts) -> Option<HeaderValue> {
    let named = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = named.or_else(|| request.uri.authority().map(|authority| authority.as_str()))?;
    let EntityPath { topic, subscription, dead_letter } = entity;
    let dead = if *dead_letter { "/$DeadLetterQueue" } else { "" };
    let (sequence, lock) = (delivery.message.sequence_number, delivery.lock_token);
    let address = format!("http://{host}/{topic}/subscriptions/{subscription}{dead}/messages/{sequence}/{lock}");
    HeaderValue::try_from(address).ok()
}

fn received(status: StatusCode, delivery: &Delivery, locked: bool) -> Response {
    let body: Bytes = delivery.message.content.body.clone();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = format::headers(delivery, locked);
    response
}

fn settled(result: Result<(), SettleError>) -> Result<Response, ErrorReply> {
    result.map(|()| empty(StatusCode::OK)).map_err(lost)
}

/// The reference documents 404 for a lock that has expired.
fn lost(error: SettleError) -> ErrorReply {
    ErrorReply::new(StatusCode::NOT_FOUND, format!("40400: {error}."))
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
