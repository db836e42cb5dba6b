//! Azure Service Bus: topics, subscriptions and dead letters in memory, and the protocols for them.
//!
//! The [`Broker`] stores the messages and is independent of any protocol. [`rest`] is its HTTP interface, and [`amqp`]
//! is the interface that the Functions host and the client libraries use.

mod broker;
mod entity;
mod message;
mod sent;
mod state;
mod topic;

pub mod amqp;
pub mod rest;

#[cfg(test)]
mod tests;

pub use self::broker::{Broker, Delivery, EntityNotFound, Rights, SendError, SettleError};
pub use self::entity::{Counts, CreateError, EntityPath, SubscriptionOptions, TopicOptions};
pub use self::message::{Change, Changes, DeadLetter, Message, NewMessage, Property};
pub use self::sent::{ScheduledMessage, Sent, event_of};
