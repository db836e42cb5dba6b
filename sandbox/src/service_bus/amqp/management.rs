//! Management requests about an entity's messages.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-request-response>

use bytes::Bytes;
use fe2o3_amqp_types::definitions::Error;
use serde_amqp::Value;
use serde_amqp::primitives::{Array, OrderedMap};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::super::{Broker, Changes, Delivery, EntityNotFound, EntityPath, SettleError};
use super::error::{ARGUMENT, MESSAGE_NOT_FOUND, NOT_ALLOWED, NOT_IMPLEMENTED, error, not_found, of_send, of_settle};
use super::message::{HandedOut, changes, decode, encode, text, texts, timestamp};
use super::request::Answer;
use super::sections::{Map, Sections};
use super::settle::{Settlement, SettlementKind};

/// A request about the messages of a subscription or of its dead-letter queue.
pub(super) struct Management<'a> {
    pub(super) broker: &'a Broker,
    pub(super) entity: &'a EntityPath,
    pub(super) request: &'a Sections,
}

/// Schedules and cancels messages.
pub(super) fn of_topic(broker: &Broker, topic: &str, operation: &str, request: &Sections) -> Result<Answer, Error> {
    match operation {
        "com.microsoft:schedule-message" => schedule(broker, topic, request),
        "com.microsoft:cancel-scheduled-message" => cancel(broker, topic, request),
        _ => Err(unknown(operation)),
    }
}

fn unknown(operation: &str) -> Error {
    error(NOT_IMPLEMENTED, format!("The operation '{operation}' is not supported by the sandbox."))
}

fn schedule(broker: &Broker, topic: &str, request: &Sections) -> Result<Answer, Error> {
    let mut messages = Vec::new();
    for entry in items(field(request, "messages")?) {
        let Value::Map(entry) = entry else { return Err(malformed("messages")) };
        let Some(Value::Binary(message)) = entry.get(&key("message")) else { return Err(malformed("message")) };
        let message = Bytes::copy_from_slice(message);
        messages.extend(decode(&message, 0).map_err(|_| malformed("message"))?);
    }
    if messages.iter().any(|message| message.scheduled_enqueue_time.is_none()) {
        return Err(error(ARGUMENT, "a message has no scheduled enqueue time"));
    }
    let numbers = broker.schedule(topic, messages).map_err(|error| of_send(&error, topic))?;
    let numbers = numbers.into_iter().map(Value::Long).collect();
    Ok(Answer::new(texts([("sequence-numbers", Value::Array(numbers))])))
}

fn cancel(broker: &Broker, topic: &str, request: &Sections) -> Result<Answer, Error> {
    for number in numbers(request)? {
        let cancelled = broker.cancel_scheduled(topic, number).map_err(|_| not_found(topic))?;
        if !cancelled {
            return Err(error(MESSAGE_NOT_FOUND, format!("There is no scheduled message {number}.")));
        }
    }
    Ok(Answer::new(Map::new()))
}

impl Management<'_> {
    pub(super) fn answer(&self, operation: &str) -> Result<Answer, Error> {
        match operation {
            "com.microsoft:renew-lock" => self.renew(),
            "com.microsoft:peek-message" => self.peek(),
            "com.microsoft:receive-by-sequence-number" => self.receive_deferred(),
            "com.microsoft:update-disposition" => self.settle(),
            "com.microsoft:renew-session-lock"
            | "com.microsoft:get-session-state"
            | "com.microsoft:set-session-state"
            | "com.microsoft:get-message-sessions" => {
                Err(error(NOT_ALLOWED, "The entity does not require sessions, and has none."))
            }
            _ => Err(unknown(operation)),
        }
    }

    fn missing(&self, _: EntityNotFound) -> Error {
        not_found(&self.entity.to_string())
    }

    /// The locks in the request. Only locks on this entity's messages are valid.
    fn locks(&self) -> Result<Vec<Uuid>, Error> {
        let mut locks = Vec::new();
        for token in items(field(self.request, "lock-tokens")?) {
            let Value::Uuid(token) = token else { return Err(malformed("lock-tokens")) };
            let lock = Uuid::from_bytes(*token.as_inner());
            if !self.broker.holds_any(lock, self.entity) {
                return Err(of_settle(SettleError::LockLost));
            }
            locks.push(lock);
        }
        Ok(locks)
    }

    fn renew(&self) -> Result<Answer, Error> {
        let renewed = self.locks()?.into_iter().map(|lock| self.broker.renew(lock).map(timestamp));
        let expirations: Array<Value> = renewed.collect::<Result<_, _>>().map_err(of_settle)?;
        Ok(Answer::new(texts([("expirations", Value::Array(expirations))])))
    }

    fn peek(&self) -> Result<Answer, Error> {
        let from = integer(field(self.request, "from-sequence-number")?).ok_or_else(|| malformed("sequence number"))?;
        let most = integer(field(self.request, "message-count")?).and_then(|count| usize::try_from(count).ok());
        let most = most.ok_or_else(|| malformed("message-count"))?;
        let all = self.broker.peek(self.entity, usize::MAX).map_err(|error| self.missing(error))?;
        let messages = all.iter().filter(|message| message.sequence_number >= from).take(most);
        let entry = |message: &Bytes| Value::Map(texts([("message", binary(message))]));
        let messages = messages.map(|message| encode(message, HandedOut::Peeked).map(|message| entry(&message)));
        let messages: Vec<_> = messages.collect::<Result<_, _>>().map_err(|_| malformed("message"))?;
        let status = if messages.is_empty() { 204 } else { 200 };
        Ok(Answer { status, body: texts([("messages", Value::List(messages))]) })
    }

    /// All requested messages, or none.
    fn receive_deferred(&self) -> Result<Answer, Error> {
        let delete = integer(field(self.request, "receiver-settle-mode")?) == Some(0);
        let (mut deliveries, mut missing) = (Vec::new(), false);
        for number in numbers(self.request)? {
            let delivery = self.broker.receive_deferred(self.entity, number).map_err(|error| self.missing(error))?;
            missing |= delivery.is_none();
            deliveries.extend(delivery);
        }
        if missing {
            for delivery in &deliveries {
                // An error means that the lock expired meanwhile.
                let _ = self.broker.release(delivery.lock_token);
            }
            let text = "Failed to lock one or more specified messages. The message does not exist.";
            return Err(error(MESSAGE_NOT_FOUND, text));
        }
        let entries = deliveries.iter().map(|delivery| self.hand_out(delivery, delete));
        Ok(Answer::new(texts([("messages", Value::List(entries.collect::<Result<_, _>>()?))])))
    }

    fn hand_out(&self, delivery: &Delivery, delete: bool) -> Result<Value, Error> {
        let lock = delivery.lock_token;
        let out = if delete { HandedOut::Deleted } else { HandedOut::Locked(lock, delivery.locked_until) };
        let message = encode(&delivery.message, out).map_err(|_| malformed("message"))?;
        if delete {
            self.broker.complete(lock).map_err(of_settle)?;
        }
        let token = Value::Uuid(lock.into_bytes().into());
        Ok(Value::Map(texts([("message", binary(&message)), ("lock-token", token)])))
    }

    fn settle(&self) -> Result<Answer, Error> {
        let settlement = self.settlement()?;
        for lock in self.locks()? {
            settlement.apply(self.broker, lock).map_err(of_settle)?;
        }
        Ok(Answer::new(Map::new()))
    }

    fn settlement(&self) -> Result<Settlement, Error> {
        let status = text(field(self.request, "disposition-status")?).unwrap_or_default();
        let optional = |name| field(self.request, name).ok().and_then(text).unwrap_or_default();
        let kind = match status.as_str() {
            "completed" => SettlementKind::Complete,
            "abandoned" => SettlementKind::Abandon,
            // The spelling is that of the service.
            "defered" => SettlementKind::Defer,
            "suspended" => SettlementKind::DeadLetter {
                reason: optional("deadletter-reason"),
                description: optional("deadletter-description"),
            },
            _ => return Err(malformed("disposition-status")),
        };
        let changes = match field(self.request, "properties-to-modify") {
            Ok(Value::Map(map)) => changes(map),
            _ => Changes::new(),
        };
        Ok(Settlement { kind, changes })
    }
}

fn key(name: &str) -> Value {
    Value::String(name.to_owned())
}

fn malformed(name: &str) -> Error {
    error(ARGUMENT, format!("'{name}' is missing or malformed."))
}

/// An entry of the request's body.
fn field<'a>(request: &'a Sections, name: &str) -> Result<&'a Value, Error> {
    let body: Option<&OrderedMap<Value, Value>> = match &request.value {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    };
    body.and_then(|body| body.get(&key(name))).ok_or_else(|| malformed(name))
}

fn numbers(request: &Sections) -> Result<Vec<i64>, Error> {
    let name = "sequence-numbers";
    items(field(request, name)?).iter().map(|number| integer(number).ok_or_else(|| malformed(name))).collect()
}

fn items(value: &Value) -> &[Value] {
    match value {
        Value::Array(Array(items)) | Value::List(items) => items,
        _ => &[],
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Long(number) => Some(*number),
        Value::Int(number) => Some((*number).into()),
        Value::Uint(number) => Some((*number).into()),
        Value::Ulong(number) => i64::try_from(*number).ok(),
        Value::Ubyte(number) => Some((*number).into()),
        _ => None,
    }
}

fn binary(bytes: &Bytes) -> Value {
    Value::Binary(ByteBuf::from(bytes.to_vec()))
}
