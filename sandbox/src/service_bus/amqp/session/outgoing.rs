//! Messages and replies to the client.

use bytes::Bytes;
use fe2o3_amqp_types::definitions::Handle;
use fe2o3_amqp_types::performatives::Transfer;
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::super::super::Delivery;
use super::super::connection::{ConnectionResult, ConnectionState};
use super::super::error::not_found;
use super::super::frame::transfers;
use super::super::link::{Arrival, Link, Outgoing};
use super::super::message::{HandedOut, encode};
use super::super::node::Node;
use super::Session;

impl Session {
    /// Sends what is available, within credit and window.
    pub(super) fn pump(&mut self, connection: &mut ConnectionState, handle: u32) -> ConnectionResult {
        loop {
            let Some(Link::Outgoing(link)) = self.links.get_mut(&handle) else { return Ok(()) };
            if !self.backlog.is_empty() {
                return Ok(());
            }
            if link.credit == 0 {
                return self.drain_or_wait(connection, handle);
            }
            if self.remote_window == 0 {
                return Ok(());
            }
            match &link.node {
                Node::Subscription(entity) => match connection.service.broker.try_receive(entity) {
                    Ok(Some(delivery)) => self.deliver(connection, handle, delivery)?,
                    Ok(None) => return self.drain_or_wait(connection, handle),
                    Err(_) => {
                        let error = not_found(&entity.to_string());
                        return self.detach(connection, handle, error);
                    }
                },
                _ => match link.replies.pop_front() {
                    Some(reply) => self.send_message(connection, handle, Uuid::new_v4(), true, reply)?,
                    None => return self.drain_or_wait(connection, handle),
                },
            }
        }
    }

    /// There is no message or no credit: what is left of the credit is drained, or the link waits. A drain is always
    /// answered, also if the last message used all credit.
    fn drain_or_wait(&mut self, connection: &mut ConnectionState, handle: u32) -> ConnectionResult {
        let Some(Link::Outgoing(link)) = self.links.get_mut(&handle) else { return Ok(()) };
        if link.drain_pending {
            link.drain_pending = false;
            link.delivery_count = link.delivery_count.wrapping_add(link.credit);
            link.credit = 0;
            return self.send_flow(connection, Some(handle));
        }
        if link.credit == 0 {
            return Ok(());
        }
        if let Node::Subscription(entity) = link.node.clone() {
            connection.arrivals.extend(link.wait(&connection.service.broker, &entity, self.channel, handle));
        }
        Ok(())
    }

    /// A wait for a message has ended.
    pub(in crate::service_bus::amqp) fn arrived(
        &mut self,
        connection: &mut ConnectionState,
        arrival: Arrival,
    ) -> ConnectionResult {
        let handle = arrival.handle;
        let awaited = match self.links.get_mut(&handle) {
            Some(Link::Outgoing(link)) => link.waited(&arrival) && link.credit > 0,
            _ => false,
        };
        if !awaited {
            arrival.put_back(&connection.service.broker);
            return Ok(());
        }
        if let Some(Ok(delivery)) = arrival.message {
            self.deliver(connection, handle, delivery)?;
        }
        self.pump(connection, handle)
    }

    fn deliver(&mut self, connection: &mut ConnectionState, handle: u32, delivery: Delivery) -> ConnectionResult {
        let Some(Link::Outgoing(Outgoing { settled, .. })) = self.links.get(&handle) else { return Ok(()) };
        let (settled, lock) = (*settled, delivery.lock_token);
        let out = if settled { HandedOut::Deleted } else { HandedOut::Locked(lock, delivery.locked_until) };
        let payload = encode(&delivery.message, out)?;
        if settled {
            // It was locked just now.
            let _ = connection.service.broker.complete(lock);
        } else {
            self.unsettled.insert(self.next_delivery_id, (handle, lock));
        }
        self.send_message(connection, handle, lock, settled, payload)
    }

    fn send_message(
        &mut self,
        connection: &ConnectionState,
        handle: u32,
        tag: Uuid,
        settled: bool,
        payload: Bytes,
    ) -> ConnectionResult {
        if let Some(Link::Outgoing(link)) = self.links.get_mut(&handle) {
            link.spend();
        }
        let transfer = Transfer {
            handle: Handle(handle),
            delivery_id: Some(self.next_delivery_id),
            // Lock tokens use .NET's byte order of GUIDs.
            delivery_tag: Some(ByteBuf::from(tag.to_bytes_le())),
            message_format: Some(0),
            settled: Some(settled),
            more: false,
            rcv_settle_mode: None,
            state: None,
            resume: false,
            aborted: false,
            batchable: !settled,
        };
        self.next_delivery_id = self.next_delivery_id.wrapping_add(1);
        self.backlog.extend(transfers(self.channel, transfer, payload, connection.max_frame)?);
        self.send_backlog(connection)
    }

    pub(super) fn send_backlog(&mut self, connection: &ConnectionState) -> ConnectionResult {
        while self.remote_window > 0
            && let Some(frame) = self.backlog.pop_front()
        {
            self.remote_window -= 1;
            self.next_outgoing_id = self.next_outgoing_id.wrapping_add(1);
            connection.send_frame(frame)?;
        }
        Ok(())
    }
}
