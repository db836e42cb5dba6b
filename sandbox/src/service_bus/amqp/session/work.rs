//! Executes requests of clients and reports the results.

use bytes::Bytes;
use fe2o3_amqp_types::definitions::{Error, Role};
use fe2o3_amqp_types::messaging::{Accepted, DeliveryState, Rejected};
use fe2o3_amqp_types::performatives;

use super::super::connection::{CloseReason, ConnectionResult, ConnectionState};
use super::super::error::of_fault;
use super::super::link::Link;
use super::super::node::Node;
use super::super::work::{Done, Task, Work};
use super::Session;
use crate::network::FaultAction;

impl Session {
    pub(super) fn begin_work(&mut self, connection: &mut ConnectionState, task: Task) -> ConnectionResult {
        match connection.decide(Work { channel: self.channel, task }) {
            Some((work, action)) => self.perform(connection, work, action),
            None => Ok(()),
        }
    }

    /// Executes a task with its fault action, and reports the result.
    pub(in crate::service_bus::amqp) fn perform(
        &mut self,
        connection: &mut ConnectionState,
        work: Work,
        action: FaultAction,
    ) -> ConnectionResult {
        let task = work.task;
        match action {
            FaultAction::Serve => {
                let done = task.act(connection);
                self.report(connection, done)
            }
            FaultAction::Refuse(fault) => self.report(connection, task.refused(&of_fault(&fault))),
            FaultAction::ReplaceReply(fault) => {
                let refused = task.refused(&of_fault(&fault));
                task.act(connection);
                self.report(connection, refused)
            }
            FaultAction::ResetBefore => Err(CloseReason::Reset),
            FaultAction::ResetAfter | FaultAction::TruncateReply => {
                task.act(connection);
                Err(CloseReason::Reset)
            }
            FaultAction::Hang => Ok(()),
            FaultAction::HangAfter => {
                task.act(connection);
                Ok(())
            }
        }
    }

    fn report(&mut self, connection: &mut ConnectionState, done: Done) -> ConnectionResult {
        match done {
            Done::Sent { delivery_id, result } => {
                let state = result.map_or_else(rejected, |()| accepted());
                delivery_id.map_or(Ok(()), |id| self.settle(connection, Role::Receiver, id, id, state))
            }
            Done::Answered { delivery_id, node, address, reply } => {
                if let Some(id) = delivery_id {
                    self.settle(connection, Role::Receiver, id, id, accepted())?;
                }
                self.reply(connection, &node, address.as_deref(), reply)
            }
            Done::Settled { results, outcome } => {
                for (first, last, error) in results {
                    let state = error.map_or_else(|| outcome.clone(), |error| rejected(*error));
                    self.settle(connection, Role::Sender, first, last, state)?;
                }
                Ok(())
            }
        }
    }

    pub(super) fn settle(
        &self,
        connection: &ConnectionState,
        role: Role,
        first: u32,
        last: u32,
        state: DeliveryState,
    ) -> ConnectionResult {
        let last = (last != first).then_some(last);
        let state = Some(state);
        let disposition = performatives::Disposition { role, first, last, settled: true, state, batchable: false };
        connection.send(self.channel, &disposition)
    }

    /// Sends a reply on the link that the request named, or on a link of the same node.
    fn reply(
        &mut self,
        connection: &mut ConnectionState,
        node: &Node,
        address: Option<&str>,
        reply: Bytes,
    ) -> ConnectionResult {
        let outgoing = |link: &Link| match link {
            Link::Outgoing(link) if link.node == *node => Some(link.address.clone()),
            _ => None,
        };
        let mut candidates = self.links.iter().filter_map(|(handle, link)| Some((*handle, outgoing(link)?)));
        let named = candidates.clone().find(|(_, name)| address.is_some() && name.as_deref() == address);
        let Some((handle, _)) = named.or_else(|| candidates.next()) else {
            tracing::debug!("a request has no link for its reply");
            return Ok(());
        };
        if let Some(Link::Outgoing(link)) = self.links.get_mut(&handle) {
            link.replies.push_back(reply);
        }
        self.pump(connection, handle)
    }
}

fn accepted() -> DeliveryState {
    DeliveryState::Accepted(Accepted {})
}

pub(super) fn rejected(error: Error) -> DeliveryState {
    DeliveryState::Rejected(Rejected { error: Some(error) })
}
