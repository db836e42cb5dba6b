//! Azure Service Bus: topics, subscriptions and dead letters in memory, and the protocols in front of them.
//!
//! [`Broker`] keeps the messages and knows no protocol; [`rest`] is its HTTP face, [`amqp`] the one that the Functions
//! host and the client libraries use.

mod broker;
mod entity;
mod message;
mod state;
mod topic;

pub mod amqp;
pub mod rest;

#[cfg(test)]
mod tests;

pub use broker::{Broker, Delivery, EntityNotFound, Rights, SendError, SettleError};
pub use entity::{Counts, CreateError, EntityPath, SubscriptionOptions, TopicOptions};
pub use message::{Changes, DeadLetter, Message, NewMessage, Property};
