//! Links: a link transfers messages in one direction, limited by credit.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use fe2o3_amqp_types::definitions::Error;
use fe2o3_amqp_types::performatives::Transfer;
use futures::future::{AbortHandle, Abortable};

use super::super::{Broker, Delivery, EntityNotFound, EntityPath};
use super::error::{CREDIT_EXCEEDED, error};
use super::node::Node;
use crate::network::BoxFuture;

/// The credit of a client that sends.
pub(super) const CREDIT: u32 = 1000;

/// A link, from the service's side.
pub(super) enum Link {
    /// The client sends.
    Incoming(Incoming),
    /// The client receives.
    Outgoing(Outgoing),
}

impl Link {
    pub(super) fn node(&self) -> &Node {
        match self {
            Self::Incoming(link) => &link.node,
            Self::Outgoing(link) => &link.node,
        }
    }
}

/// A link on which the client sends.
pub(super) struct Incoming {
    pub(super) node: Node,
    /// The largest accepted message, in bytes.
    pub(super) max_message: usize,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    /// A message whose frames have not all arrived.
    pub(super) partial: Option<Partial>,
}

/// The start of a message.
pub(super) struct Partial {
    first: Received,
    payload: BytesMut,
}

/// A complete message.
pub(super) struct Received {
    pub(super) delivery_id: u32,
    pub(super) format: u32,
    pub(super) settled: bool,
    /// Its size in bytes.
    pub(super) size: usize,
    /// The whole message, unless it is larger than the link accepts.
    pub(super) payload: Bytes,
}

impl Incoming {
    /// Accepts a frame. Returns the message if this was its last frame.
    pub(super) fn take(&mut self, transfer: &Transfer, payload: Bytes) -> Result<Option<Received>, Error> {
        let mut partial = match self.partial.take() {
            _ if transfer.aborted => return Ok(None),
            Some(partial) => partial,
            None if self.credit == 0 => return Err(error(CREDIT_EXCEEDED, "a message was sent without credit")),
            None => Partial { first: first(transfer)?, payload: BytesMut::new() },
        };
        partial.first.size += payload.len();
        // Any frame may set the settled flag.
        partial.first.settled |= transfer.settled == Some(true);
        // A message that is too large is not stored.
        let kept = partial.first.size <= self.max_message;
        if transfer.more {
            if kept {
                partial.payload.extend_from_slice(&payload);
            }
            self.partial = Some(partial);
            return Ok(None);
        }
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        let payload = if partial.payload.is_empty() || !kept {
            payload
        } else {
            partial.payload.extend_from_slice(&payload);
            partial.payload.freeze()
        };
        Ok(Some(Received { payload, ..partial.first }))
    }
}

fn first(transfer: &Transfer) -> Result<Received, Error> {
    let missing = || error("amqp:invalid-field", "a message has no delivery-id");
    Ok(Received {
        delivery_id: transfer.delivery_id.ok_or_else(missing)?,
        format: transfer.message_format.unwrap_or_default(),
        settled: transfer.settled.unwrap_or_default(),
        size: 0,
        payload: Bytes::new(),
    })
}

/// A link on which the client receives.
pub(super) struct Outgoing {
    /// Distinguishes links that used the same handle one after the other.
    serial: u64,
    pub(super) node: Node,
    /// The client's receiving address, which replies are sent to.
    pub(super) address: Option<String>,
    /// Whether messages are settled when they are sent.
    pub(super) settled: bool,
    pub(super) delivery_count: u32,
    pub(super) credit: u32,
    /// The client's last value: whether unused credit is to be drained.
    pub(super) drain: bool,
    /// Whether the client waits for the answer to a drain.
    pub(super) drain_pending: bool,
    /// Replies that wait for credit.
    pub(super) replies: VecDeque<Bytes>,
    waiting: Option<(AbortHandle, u64)>,
    waits: u64,
}

impl Outgoing {
    pub(super) fn new(serial: u64, node: Node, address: Option<String>, settled: bool) -> Self {
        Self {
            serial,
            node,
            address,
            settled,
            delivery_count: 0,
            credit: 0,
            drain: false,
            drain_pending: false,
            replies: VecDeque::new(),
            waiting: None,
            waits: 0,
        }
    }

    /// Uses one unit of credit.
    pub(super) fn spend(&mut self) {
        self.credit = self.credit.saturating_sub(1);
        self.delivery_count = self.delivery_count.wrapping_add(1);
    }

    /// Waits in the broker's queue for the next message, unless it already waits.
    pub(super) fn wait(
        &mut self,
        broker: &Broker,
        entity: &EntityPath,
        channel: u16,
        handle: u32,
    ) -> Option<BoxFuture<Arrival>> {
        if self.waiting.is_some() {
            return None;
        }
        let (abort, registration) = AbortHandle::new_pair();
        self.waits += 1;
        self.waiting = Some((abort, self.waits));
        let (broker, entity, serial, wait) = (broker.clone(), entity.clone(), self.serial, self.waits);
        let waiting = Abortable::new(async move { broker.receive(&entity).await }, registration);
        Some(Box::pin(async move {
            let message = waiting.await.ok();
            Arrival { channel, handle, serial, wait, message }
        }))
    }

    /// Ends the wait. Returns `false` if it was another link's wait, or a cancelled one.
    pub(super) fn waited(&mut self, arrival: &Arrival) -> bool {
        let over =
            self.serial == arrival.serial && self.waiting.as_ref().is_some_and(|waiting| waiting.1 == arrival.wait);
        if over {
            self.waiting = None;
        }
        over
    }

    /// Cancels the wait. A message that is already on its way is put back.
    pub(super) fn stop_waiting(&mut self) {
        if let Some((waiting, _)) = self.waiting.take() {
            waiting.abort();
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.stop_waiting();
    }
}

/// The end of a wait.
pub(super) struct Arrival {
    pub(super) channel: u16,
    pub(super) handle: u32,
    serial: u64,
    wait: u64,
    /// `None` if the wait was cancelled.
    pub(super) message: Option<Result<Delivery, EntityNotFound>>,
}

impl Arrival {
    /// Puts back a message whose receiver is gone.
    pub(super) fn put_back(self, broker: &Broker) {
        if let Some(Ok(delivery)) = self.message {
            // An error means that the lock expired meanwhile.
            let _ = broker.release(delivery.lock_token);
        }
    }
}
