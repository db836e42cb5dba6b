//! Requests of clients, between their arrival and their execution. The fault decider is asked in between.

use bytes::Bytes;
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::messaging::DeliveryState;
use uuid::Uuid;

use super::super::{NewMessage, SettleError};
use super::connection::ConnectionState;
use super::error::{of_send, of_settle};
use super::node::Node;
use super::request;
use super::sections::Sections;
use super::settle::Settlement;

/// Work for a session.
pub(super) struct Work {
    pub(super) channel: u16,
    pub(super) task: Task,
}

/// What to do.
pub(super) enum Task {
    /// Send messages to a topic, and settle the transfer unless it is already settled.
    Send { delivery_id: u32, settled: bool, topic: String, messages: Vec<NewMessage> },
    /// Answer a request.
    Answer { delivery_id: u32, settled: bool, node: Node, request: Box<Sections> },
    /// Settle messages that the client received.
    Settle { deliveries: Vec<(u32, Option<Uuid>)>, settlement: Settlement, settled: bool },
}

impl Work {
    /// The path for the fault decider, similar to the REST path.
    pub(super) fn path(&self) -> String {
        match &self.task {
            Task::Send { topic, .. } => format!("/{topic}/messages"),
            Task::Answer { node, .. } => node.resource().unwrap_or_else(|| "/$cbs".to_owned()),
            Task::Settle { .. } => "/$settlement".to_owned(),
        }
    }
}

/// What was done, as the client is informed.
pub(super) enum Done {
    /// Messages were sent. No id if the client needs no confirmation.
    Sent { delivery_id: Option<u32>, result: Result<(), Error> },
    /// A request was answered.
    Answered { delivery_id: Option<u32>, node: Node, address: Option<String>, reply: Bytes },
    /// Deliveries were settled: first, last, and the error.
    Settled { results: Vec<(u32, u32, Option<Box<Error>>)>, outcome: DeliveryState },
}

impl Task {
    /// Executes the task.
    pub(super) fn act(self, connection: &mut ConnectionState) -> Done {
        match self {
            Self::Send { delivery_id, settled, topic, messages } => {
                let result = connection.service.broker.send(&topic, messages).map_err(|error| of_send(&error, &topic));
                Done::Sent { delivery_id: (!settled).then_some(delivery_id), result }
            }
            Self::Answer { delivery_id, settled, node, request } => {
                let answer = request::answer(connection, &node, &request);
                answered(delivery_id, settled, node, &request, answer)
            }
            Self::Settle { deliveries, settlement, settled } => {
                let apply = |lock: Option<Uuid>| match lock {
                    Some(lock) => settlement.apply(&connection.service.broker, lock),
                    None => Err(SettleError::LockLost),
                };
                let results = deliveries.into_iter().map(|(id, lock)| (id, apply(lock).map_err(of_settle).err()));
                let results = runs(results);
                let outcome = settlement.outcome();
                Done::Settled { results: if settled { Vec::new() } else { results }, outcome }
            }
        }
    }

    /// Does not execute the task, and reports an error.
    pub(super) fn refused(&self, error: &Error) -> Done {
        match self {
            Self::Send { delivery_id, settled, .. } => {
                Done::Sent { delivery_id: (!settled).then_some(*delivery_id), result: Err(error.clone()) }
            }
            Self::Answer { delivery_id, settled, node, request } => {
                answered(*delivery_id, *settled, node.clone(), request, Err(error.clone()))
            }
            Self::Settle { deliveries, settlement, settled } => {
                let results = deliveries.iter().map(|(id, _)| (*id, Some(error.clone())));
                let results = if *settled { Vec::new() } else { runs(results) };
                Done::Settled { results, outcome: settlement.outcome() }
            }
        }
    }
}

fn answered(
    delivery_id: u32,
    settled: bool,
    node: Node,
    request: &Sections,
    answer: Result<request::Answer, Error>,
) -> Done {
    let address = request.properties.reply_to.clone();
    let reply = request::reply(&node, request, answer);
    Done::Answered { delivery_id: (!settled).then_some(delivery_id), node, address, reply }
}

/// Combines consecutive deliveries without an error into one range.
fn runs(results: impl Iterator<Item = (u32, Option<Error>)>) -> Vec<(u32, u32, Option<Box<Error>>)> {
    let mut runs: Vec<(u32, u32, Option<Box<Error>>)> = Vec::new();
    for (id, error) in results {
        match runs.last_mut() {
            Some((_, last, None)) if error.is_none() && *last + 1 == id => *last = id,
            _ => runs.push((id, id, error.map(Box::new))),
        }
    }
    runs
}
