//! The interface between the host and the broker.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::TimeHold;

/// A message as stored in the broker.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The sequence number.
    pub sequence_number: i64,
    /// The message id, set by the sender.
    pub message_id: Option<String>,
    /// The body.
    pub body: Bytes,
    /// The content type.
    pub content_type: Option<String>,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The subject, formerly called label.
    pub subject: Option<String>,
    /// The destination address.
    pub to: Option<String>,
    /// The address for replies.
    pub reply_to: Option<String>,
    /// The session id for replies.
    pub reply_to_session_id: Option<String>,
    /// The session id.
    pub session_id: Option<String>,
    /// The partition key.
    pub partition_key: Option<String>,
    /// When it was enqueued.
    pub enqueued_time: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// The number of deliveries, including this one.
    pub delivery_count: u32,
    /// The entity in which it was dead-lettered.
    pub dead_letter_source: Option<String>,
    /// The application properties.
    pub application_properties: BTreeMap<String, Value>,
}

/// A locked message.
#[derive(Debug)]
pub struct Delivery {
    /// The lock token.
    pub lock_token: Uuid,
    /// The end of the lock.
    pub locked_until: DateTime<Utc>,
    /// The message.
    pub message: Message,
    /// Holds simulated time while the message is processed. It is the only hold of its invocation.
    pub hold: TimeHold,
}

/// Why the broker could not settle a delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The lock has expired. The message is available to other receivers.
    #[error("the lock is lost")]
    LockLost,
    /// The broker could not be reached.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
}

/// A queue or subscription in peek-lock mode.
#[async_trait]
pub trait MessageSource: Send + Sync {
    /// Waits for the next message and locks it. Several callers may wait at the same time. A caller that stops waiting
    /// (drops the future) takes no message with it.
    async fn receive(&self) -> Delivery;

    /// Completes the message: it is removed.
    async fn complete(&self, lock_token: Uuid) -> Result<(), SettlementError>;

    /// Abandons the message: it is available again at once.
    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettlementError>;

    /// Renews the lock. Returns its new end.
    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettlementError>;
}
