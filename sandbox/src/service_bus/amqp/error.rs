//! Errors under the names that Service Bus gives them.
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
pub(super) const SERVER_BUSY: &str = "com.microsoft:server-hold";
/// Not an error of ours: the condition with which a receiver rejects a message into the dead letters.
pub(super) const DEAD_LETTER: &str = "com.microsoft:dead-letter";

/// An error as it goes over the wire.
pub(super) fn error(condition: &str, description: impl Into<String>) -> Error {
    // An empty map stands last so that clients find all three fields.
    Error::new(ErrorCondition::Custom(Symbol::from(condition)), description.into(), Fields::new())
}

/// The condition's name.
pub(super) fn condition(error: &Error) -> String {
    // Serialization is the one form in which all kinds of conditions have their names.
    let value = serde_amqp::to_value(&error.condition).unwrap_or_default();
    match value {
        serde_amqp::Value::Symbol(Symbol(name)) => name,
        _ => INTERNAL.to_owned(),
    }
}

/// Adds what support would ask for, as Service Bus does.
pub(super) fn tracked(description: &str, entity: &str, now: DateTime<Utc>) -> String {
    let time = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{description} TrackingId:{}, SystemTracker:{entity}, Timestamp:{time}", Uuid::new_v4())
}

pub(super) fn not_found(entity: &str) -> Error {
    error(NOT_FOUND, format!("The messaging entity '{entity}' could not be found."))
}

pub(super) fn unauthorized(problem: TokenError) -> Error {
    error(UNAUTHORIZED, format!("{}: {problem}.", code(problem)))
}

/// The name that Service Bus has for what is wrong with a token.
pub(super) fn code(problem: TokenError) -> &'static str {
    match problem {
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

pub(super) fn of_settle(problem: SettleError) -> Error {
    match problem {
        SettleError::LockLost => error(
            LOCK_LOST,
            "The lock supplied is invalid. Either the lock expired, or the message has already been removed from the \
             queue, or was received by a different receiver instance.",
        ),
        SettleError::AlreadyDead => error(NOT_ALLOWED, format!("{problem}.")),
    }
}

/// What a failing gateway or a throttling service says over AMQP.
pub(super) fn of_fault(refusal: &ErrorReply) -> Error {
    match refusal.status.as_u16() {
        401 | 403 => error(UNAUTHORIZED, "The token is not accepted."),
        429 | 503 => error(
            SERVER_BUSY,
            "The request was terminated because the entity is being throttled. Please wait 2 seconds and try again.",
        ),
        _ => error(INTERNAL, "The service was unable to process the request; please retry the operation."),
    }
}
