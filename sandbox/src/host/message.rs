//! Where messages come from: the seam to the broker.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::clock::TimeHold;

/// A message as the broker keeps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The broker's number for it.
    pub sequence_number: i64,
    /// The sender's name for it.
    pub message_id: Option<String>,
    /// Its body.
    pub body: Bytes,
    /// What the body is said to be.
    pub content_type: Option<String>,
    /// Its correlation id.
    pub correlation_id: Option<String>,
    /// Its subject, once called label.
    pub subject: Option<String>,
    /// Its address.
    pub to: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The session for answers.
    pub reply_to_session_id: Option<String>,
    /// Its session.
    pub session_id: Option<String>,
    /// Its partition key.
    pub partition_key: Option<String>,
    /// When it came into the queue or subscription.
    pub enqueued_time: DateTime<Utc>,
    /// When it expires.
    pub expires_at: DateTime<Utc>,
    /// How many times it was delivered, this time included.
    pub delivery_count: u32,
    /// The entity in which it was dead-lettered.
    pub dead_letter_source: Option<String>,
    /// Its application properties.
    pub application_properties: BTreeMap<String, Value>,
}

/// A message under lock.
#[derive(Debug)]
pub struct Delivery {
    /// The lock's token.
    pub lock_token: Uuid,
    /// When the lock runs out.
    pub locked_until: DateTime<Utc>,
    /// The message.
    pub message: Message,
    /// Holds simulated time while the message is handled: the one guard of its invocation.
    pub hold: TimeHold,
}

/// Why the broker did not do what was asked of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettlementError {
    /// The lock is over: the message is, or will be, with somebody else.
    #[error("the lock is lost")]
    LockLost,
    /// The broker did not answer.
    #[error("the broker cannot be reached: {0}")]
    Unreachable(String),
}

/// A queue or subscription in peek-lock mode.
#[async_trait]
pub trait MessageSource: Send + Sync {
    /// Waits for the next message and locks it. Several callers may wait at a time; one that gives up waiting (drops
    /// the future) takes no message with it.
    async fn receive(&self) -> Delivery;

    /// Removes the message for good.
    async fn complete(&self, lock_token: Uuid) -> Result<(), SettlementError>;

    /// Makes the message available again at once.
    async fn abandon(&self, lock_token: Uuid) -> Result<(), SettlementError>;

    /// Prolongs the lock; returns until when.
    async fn renew(&self, lock_token: Uuid) -> Result<DateTime<Utc>, SettlementError>;
}
