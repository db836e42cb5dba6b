//! Requests and their replies: `$cbs`, and the management node of each entity.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response>

use bytes::Bytes;
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::messaging::Properties;
use serde_amqp::Value;

use super::connection::ConnectionState;
use super::error::{self, ARGUMENT, NOT_IMPLEMENTED, code, condition, error};
use super::management::{self, Management};
use super::message::{text, texts};
use super::node::Node;
use super::sections::{APPLICATION_PROPERTIES, Builder, Map, Sections};

/// A status like in HTTP, and a map with the result.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Map,
}

impl Answer {
    pub(super) fn new(body: Map) -> Self {
        Self { status: 200, body }
    }
}

/// Executes a request.
pub(super) fn answer(connection: &mut ConnectionState, node: &Node, request: &Sections) -> Result<Answer, Error> {
    let operation = property(request, "operation").unwrap_or_default();
    let management = |entity| Management { broker: &connection.service.broker, entity, request };
    match node {
        Node::Cbs => put_token(connection, request),
        Node::TopicManagement(topic) => management::of_topic(&connection.service.broker, topic, &operation, request),
        Node::Management(entity) => management(entity).answer(&operation),
        Node::Topic(_) | Node::Subscription(_) => Err(error(NOT_IMPLEMENTED, "this is not a management node")),
    }
}

/// <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide#claims-based-authorization>
fn put_token(connection: &mut ConnectionState, request: &Sections) -> Result<Answer, Error> {
    if property(request, "operation").as_deref() != Some("put-token") {
        return Err(error(NOT_IMPLEMENTED, "the operation is not put-token"));
    }
    let wanted = |name: &str| property(request, name).ok_or_else(|| error(ARGUMENT, format!("'{name}' is missing")));
    let (audience, kind) = (wanted("name")?, wanted("type")?);
    let token = request.value.as_ref().and_then(text).ok_or_else(|| error(ARGUMENT, "the body is not a token"))?;
    let now = connection.service.broker.clock().now();
    connection.claims.put(&audience, &kind, &token, now).map_err(|token_error| {
        let description = format!("{}: {token_error}.", code(token_error));
        error(error::UNAUTHORIZED, error::tracked(&description, &audience, now))
    })?;
    Ok(Answer { status: 202, body: Map::new() })
}

fn property(request: &Sections, name: &str) -> Option<String> {
    request.application_properties.get(&Value::String(name.to_owned())).and_then(text)
}

/// The reply to a request, with the property names of the node's own specification.
pub(super) fn reply(node: &Node, request: &Sections, answer: Result<Answer, Error>) -> Bytes {
    let (code_name, description_name, condition_name) = match node {
        Node::Cbs => ("status-code", "status-description", "error-condition"),
        _ => ("statusCode", "statusDescription", "errorCondition"),
    };
    let (status, description, condition, body) = match answer {
        Ok(Answer { status, body }) => (status, reason(status).to_owned(), None, body),
        Err(error) => {
            let condition = condition(&error);
            (status(&condition), error.description.unwrap_or_default(), Some(condition), Map::new())
        }
    };
    let mut properties =
        texts([(code_name, Value::Int(status.into())), (description_name, Value::String(description))]);
    // Clients overrate an error condition of `$cbs`: they use the status there.
    if let Some(condition) = condition.filter(|_| *node != Node::Cbs) {
        let condition = Value::Symbol(condition.into());
        properties.insert(Value::String(condition_name.to_owned()), condition);
    }
    message(request, &properties, body).unwrap_or_default()
}

fn message(request: &Sections, properties: &Map, body: Map) -> Result<Bytes, serde_amqp::Error> {
    let correlation_id = request.properties.message_id.clone();
    let head = Properties { correlation_id, ..Properties::new() };
    let builder = Builder::default().properties(&head)?.map(APPLICATION_PROPERTIES, properties)?;
    Ok(builder.value(&Value::Map(body))?.build())
}

fn reason(status: u16) -> &'static str {
    match status {
        202 => "Accepted",
        204 => "No Content",
        _ => "OK",
    }
}

fn status(condition: &str) -> u16 {
    match condition {
        error::ARGUMENT | error::DECODE => 400,
        error::UNAUTHORIZED => 401,
        error::NOT_ALLOWED | error::TOO_LARGE => 403,
        error::NOT_FOUND | error::MESSAGE_NOT_FOUND => 404,
        error::LOCK_LOST => 410,
        error::NOT_IMPLEMENTED => 501,
        error::SERVER_BUSY => 503,
        _ => 500,
    }
}
