//! Errors with the conditions of Service Bus.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-troubleshoot>

use chrono::{DateTime, SecondsFormat, Utc};
use fe2o3_amqp_types::definitions::{Error, ErrorCondition, Fields};
use serde_amqp::primitives::Symbol;
use uuid::Uuid;

use super::super::{SendError, SettleError};
use crate::auth::TokenError;
use crate::network::ErrorReply;

pub(super) const NOT_FOUND: &str = "amqp:not-found";
pub(super) const UNAUTHORIZED: &str = "amqp:unauthorized-access";
pub(super) const NOT_ALLOWED: &str = "amqp:not-allowed";
pub(super) const NOT_IMPLEMENTED: &str = "amqp:not-implemented";
pub(super) const INTERNAL: &str = "amqp:internal-error";
pub(super) const DECODE: &str = "amqp:decode-error";
pub(super) const FRAMING: &str = "amqp:connection:framing-error";
pub(super) const FORCED: &str = "amqp:connection:forced";
pub(super) const UNATTACHED: &str = "amqp:session:unattached-handle";
pub(super) const TOO_LARGE: &str = "amqp:link:message-size-exceeded";
pub(super) const CREDIT_EXCEEDED: &str = "amqp:link:transfer-limit-exceeded";
pub(super) const LOCK_LOST: &str = "com.microsoft:message-lock-lost";
pub(super) const MESSAGE_NOT_FOUND: &str = "com.microsoft:message-not-found";
pub(super) const ARGUMENT: &str = "com.microsoft:argument-error";
pub(super) const SERVER_BUSY: &str = "com.microsoft:server-busy";
/// Not an error of the service: the condition with which a receiver dead-letters a message.
pub(super) const DEAD_LETTER: &str = "com.microsoft:dead-letter";

/// An error in its wire format.
pub(super) fn error(condition: &str, description: impl Into<String>) -> Error {
    // The last field is an empty map, because clients expect all three fields.
    Error::new(ErrorCondition::Custom(Symbol::from(condition)), description.into(), Fields::new())
}

/// The name of the condition.
pub(super) fn condition(error: &Error) -> String {
    // Only the serialized form contains the names of all kinds of conditions.
    let value = serde_amqp::to_value(&error.condition).unwrap_or_default();
    match value {
        serde_amqp::Value::Symbol(Symbol(name)) => name,
        _ => INTERNAL.to_owned(),
    }
}

/// Adds the tracking details that Service Bus adds for support.
pub(super) fn tracked(description: &str, entity: &str, now: DateTime<Utc>) -> String {
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{description} TrackingId:{}, SystemTracker:{entity}, Timestamp:{time}", Uuid::new_v4())
}

pub(super) fn not_found(entity: &str) -> Error {
    error(NOT_FOUND, format!("The messaging entity '{entity}' could not be found."))
}

pub(super) fn unauthorized(cause: TokenError) -> Error {
    error(UNAUTHORIZED, format!("{}: {cause}.", code(cause)))
}

/// The condition that Service Bus uses for a token error.
pub(super) fn code(cause: TokenError) -> &'static str {
    match cause {
        TokenError::Missing => "MissingToken",
        TokenError::Malformed => "MalformedToken",
        TokenError::Expired => "ExpiredToken",
        TokenError::WrongAudience => "InvalidAudience",
        TokenError::Forged => "InvalidSignature",
    }
}

pub(super) fn of_send(error_: &SendError, topic: &str) -> Error {
    match error_ {
        SendError::EntityNotFound => not_found(topic),
        SendError::TooLarge { .. } => error(TOO_LARGE, format!("{error_}.")),
        SendError::Invalid(_) => error(ARGUMENT, format!("{error_}.")),
    }
}

pub(super) fn of_settle(cause: SettleError) -> Error {
    match cause {
        SettleError::LockLost => error(
            LOCK_LOST,
            "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the \
             queue, or was received by a different receiver instance.",
        ),
        SettleError::AlreadyDead => error(NOT_ALLOWED, format!("{cause}.")),
    }
}

/// The AMQP error of a failing gateway or a throttled service.
pub(super) fn of_fault(fault: &ErrorReply) -> Error {
    match fault.status.as_u16() {
        401 | 403 => error(UNAUTHORIZED, "The token is not accepted."),
        429 | 503 => error(
            SERVER_BUSY,
            "The request was terminated because the entity is being throttled. Please wait 2 seconds and try again.",
        ),
        _ => error(INTERNAL, "The service was unable to process the request; please retry the operation."),
    }
}
