//! A session: its flow-control windows and its links.
//!
//! OASIS AMQP 1.0, part 2, sections 2.5 and 2.6. Links have the same handles as on the client's side.

mod outgoing;
mod work;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use fe2o3_amqp_types::definitions::{Error, Handle, Role};
use fe2o3_amqp_types::performatives::{Attach, Begin, Detach, End, Flow, Performative, Transfer};
use uuid::Uuid;

use self::work::rejected;
use super::attach;
use super::connection::{CloseReason, ConnectionResult, ConnectionState};
use super::error::{DECODE, NOT_ALLOWED, TOO_LARGE, UNATTACHED, error, unauthorized};
use super::link::{CREDIT, Link, Received};
use super::message::decode;
use super::node::Node;
use super::sections::Sections;
use super::settle::Disposition;
use super::work::Task;

/// How many frames the client may send before the window is confirmed.
const WINDOW: u32 = 5000;

pub(super) struct Session {
    channel: u16,
    /// Set once the end of the session was sent.
    ended: bool,
    next_incoming_id: u32,
    /// Frames since the window was last confirmed.
    unreported: u32,
    next_outgoing_id: u32,
    /// How many frames the client accepts.
    remote_window: u32,
    /// Frames that wait for the window.
    backlog: VecDeque<Bytes>,
    next_delivery_id: u32,
    /// Deliveries that the client has not settled: the link and the lock.
    unsettled: BTreeMap<u32, (u32, Uuid)>,
    links: BTreeMap<u32, Link>,
    /// Links that are detached here and not yet on the client's side.
    detached: BTreeSet<u32>,
    last_serial: u64,
}

impl Session {
    /// Answers a `begin`.
    pub(super) fn begin(connection: &ConnectionState, channel: u16, begin: &Begin) -> Result<Self, CloseReason> {
        let local = Begin {
            remote_channel: Some(channel),
            next_outgoing_id: 0,
            incoming_window: WINDOW,
            outgoing_window: WINDOW,
            handle_max: Handle(u32::from(u8::MAX)),
            offered_capabilities: None,
            desired_capabilities: None,
            properties: None,
        };
        connection.send(channel, &local)?;
        Ok(Self {
            channel,
            ended: false,
            next_incoming_id: begin.next_outgoing_id,
            unreported: 0,
            next_outgoing_id: 0,
            remote_window: begin.incoming_window,
            backlog: VecDeque::new(),
            next_delivery_id: 0,
            unsettled: BTreeMap::new(),
            links: BTreeMap::new(),
            detached: BTreeSet::new(),
            last_serial: 0,
        })
    }

    pub(super) fn has_links(&self) -> bool {
        !self.links.is_empty()
    }

    /// Handles a frame. Returns `true` when the session has ended.
    pub(super) fn handle(
        &mut self,
        connection: &mut ConnectionState,
        performative: Performative,
        payload: Bytes,
    ) -> Result<bool, CloseReason> {
        match performative {
            Performative::End(_) => {
                if !self.ended {
                    connection.send(self.channel, &End { error: None })?;
                }
                return Ok(true);
            }
            _ if self.ended => {}
            Performative::Attach(attach) => self.attach(connection, attach)?,
            Performative::Flow(flow) => self.flow(connection, &flow)?,
            Performative::Transfer(transfer) => self.transfer(connection, &transfer, payload)?,
            Performative::Detach(detach) => self.on_detach(connection, &detach)?,
            // The connection handles these.
            Performative::Open(_) | Performative::Begin(_) | Performative::Close(_) | Performative::Disposition(_) => {}
        }
        Ok(false)
    }

    /// Ends the session because the client broke the protocol.
    fn fail(&mut self, connection: &ConnectionState, error: Error) -> ConnectionResult {
        tracing::debug!(%error, "an AMQP session is ended");
        self.ended = true;
        self.links.clear();
        connection.send(self.channel, &End { error: Some(error) })
    }

    // ---- links

    fn attach(&mut self, connection: &mut ConnectionState, attach: Attach) -> ConnectionResult {
        let handle = attach.handle.0;
        if self.links.contains_key(&handle) {
            return self.fail(connection, error("amqp:session:handle-in-use", format!("handle {handle} is in use")));
        }
        self.last_serial += 1;
        match attach::link(connection, &attach, self.last_serial) {
            Ok(link) => {
                connection.send(self.channel, &attach::accepted(attach, &link))?;
                let is_incoming = matches!(link, Link::Incoming(_));
                self.links.insert(handle, link);
                if is_incoming { self.send_flow(connection, Some(handle)) } else { Ok(()) }
            }
            Err(error) => {
                tracing::debug!(%error, link = attach.name, "an AMQP link is refused");
                connection.send(self.channel, &attach::refused(attach))?;
                self.detach(connection, handle, error)
            }
        }
    }

    fn detach(&mut self, connection: &ConnectionState, handle: u32, error: Error) -> ConnectionResult {
        self.forget(handle);
        self.detached.insert(handle);
        connection.send(self.channel, &Detach { handle: Handle(handle), closed: true, error: Some(error) })
    }

    fn on_detach(&mut self, connection: &ConnectionState, detach: &Detach) -> ConnectionResult {
        let handle = detach.handle.0;
        if self.detached.remove(&handle) {
            return Ok(());
        }
        self.forget(handle);
        connection.send(self.channel, &Detach { handle: Handle(handle), closed: detach.closed, error: None })
    }

    /// Locks remain valid after the link of their messages is detached.
    fn forget(&mut self, handle: u32) {
        self.links.remove(&handle);
        self.unsettled.retain(|_, (link, _)| *link != handle);
    }

    /// Detaches the links that have no valid token any more.
    pub(super) fn check_claims(&mut self, connection: &mut ConnectionState) -> ConnectionResult {
        let now = connection.service.broker.clock().now();
        let refused = |link: &Link| link.node().resource().and_then(|path| connection.claims.cover(&path, now).err());
        let refused: Vec<_> = self.links.iter().filter_map(|(handle, link)| Some((*handle, refused(link)?))).collect();
        refused.into_iter().try_for_each(|(handle, cause)| self.detach(connection, handle, unauthorized(cause)))
    }

    // ---- flow

    fn flow(&mut self, connection: &mut ConnectionState, flow: &Flow) -> ConnectionResult {
        let in_flight = self.next_outgoing_id.wrapping_sub(flow.next_incoming_id.unwrap_or_default());
        self.remote_window = flow.incoming_window.saturating_sub(in_flight);
        self.send_backlog(connection)?;
        let Some(Handle(handle)) = flow.handle else {
            self.pump_all(connection)?;
            return if flow.echo { self.send_flow(connection, None) } else { Ok(()) };
        };
        if let Some(Link::Outgoing(link)) = self.links.get_mut(&handle) {
            let limit = flow.delivery_count.unwrap_or_default().wrapping_add(flow.link_credit.unwrap_or_default());
            // A count behind the sent messages means no credit.
            link.credit = u32::try_from(limit.wrapping_sub(link.delivery_count).cast_signed()).unwrap_or_default();
            link.drain = flow.drain;
            link.drain_pending = flow.drain;
            if link.credit == 0 || link.drain {
                link.stop_waiting();
            }
        }
        self.pump(connection, handle)?;
        // The window may have opened for the other links too.
        self.pump_all(connection)?;
        if flow.echo { self.send_flow(connection, Some(handle)) } else { Ok(()) }
    }

    fn pump_all(&mut self, connection: &mut ConnectionState) -> ConnectionResult {
        let all: Vec<u32> = self.links.keys().copied().collect();
        all.into_iter().try_for_each(|handle| self.pump(connection, handle))
    }

    /// Sends the session's window and, if given, a link's credit to the client.
    fn send_flow(&mut self, connection: &ConnectionState, handle: Option<u32>) -> ConnectionResult {
        self.unreported = 0;
        let mut flow = Flow {
            next_incoming_id: Some(self.next_incoming_id),
            incoming_window: WINDOW,
            next_outgoing_id: self.next_outgoing_id,
            outgoing_window: WINDOW,
            handle: None,
            delivery_count: None,
            link_credit: None,
            available: None,
            drain: false,
            echo: false,
            properties: None,
        };
        if let Some((handle, link)) = handle.and_then(|handle| Some((handle, self.links.get_mut(&handle)?))) {
            flow.handle = Some(Handle(handle));
            let (count, credit) = match link {
                Link::Incoming(link) => {
                    link.credit = CREDIT;
                    (link.delivery_count, CREDIT)
                }
                Link::Outgoing(link) => {
                    flow.drain = link.drain;
                    (link.delivery_count, link.credit)
                }
            };
            (flow.delivery_count, flow.link_credit) = (Some(count), Some(credit));
        }
        connection.send(self.channel, &flow)
    }

    // ---- incoming

    fn transfer(&mut self, connection: &mut ConnectionState, transfer: &Transfer, payload: Bytes) -> ConnectionResult {
        self.next_incoming_id = self.next_incoming_id.wrapping_add(1);
        self.unreported += 1;
        if self.unreported >= WINDOW / 2 {
            self.send_flow(connection, None)?;
        }
        let handle = transfer.handle.0;
        let received = match self.links.get_mut(&handle) {
            Some(Link::Incoming(link)) => {
                link.take(transfer, payload).map(|received| (received, link.node.clone(), link.max_message))
            }
            _ if self.detached.contains(&handle) => return Ok(()),
            _ => return self.fail(connection, error(UNATTACHED, format!("no link for sending has handle {handle}"))),
        };
        match received {
            Ok((Some(received), node, limit)) => {
                self.received(connection, received, node, limit)?;
                match self.links.get(&handle) {
                    Some(Link::Incoming(link)) if link.credit < CREDIT / 2 => self.send_flow(connection, Some(handle)),
                    _ => Ok(()),
                }
            }
            Ok((None, ..)) => Ok(()),
            Err(error) => self.detach(connection, handle, error),
        }
    }

    fn received(
        &mut self,
        connection: &mut ConnectionState,
        received: Received,
        node: Node,
        limit: usize,
    ) -> ConnectionResult {
        let Received { delivery_id, format, settled, size, payload } = received;
        let task = match node {
            _ if size > limit => Err(too_large(delivery_id, size, limit)),
            Node::Topic(topic) => {
                let messages = decode(&payload, format).map_err(|cause| decode_error(&cause));
                messages.map(|messages| Task::Send { delivery_id, settled, topic, messages })
            }
            node => {
                let request = Sections::read(&payload).map_err(|cause| decode_error(&cause));
                request.map(|request| Task::Answer { delivery_id, settled, node, request: Box::new(request) })
            }
        };
        match task {
            Ok(task) => self.begin_work(connection, task),
            Err(error) => {
                tracing::debug!(%error, "a message is refused");
                let answer = |()| self.settle(connection, Role::Receiver, delivery_id, delivery_id, rejected(error));
                (!settled).then_some(()).map_or(Ok(()), answer)
            }
        }
    }

    pub(super) fn disposition(
        &mut self,
        connection: &mut ConnectionState,
        disposition: Disposition,
    ) -> ConnectionResult {
        let Disposition { from_receiver, first, last, settled, settlement } = disposition;
        // All deliveries from the client are settled by the service.
        let Some(settlement) = settlement.filter(|_| from_receiver && !self.ended) else { return Ok(()) };
        if last < first || last >= self.next_delivery_id {
            return self.fail(connection, error(NOT_ALLOWED, "there was no such delivery"));
        }
        let lock = |id| (id, self.unsettled.remove(&id).map(|(_, lock)| lock));
        let deliveries = (first..=last).map(lock).collect();
        self.begin_work(connection, Task::Settle { deliveries, settlement, settled })
    }
}

fn decode_error(cause: &serde_amqp::Error) -> Error {
    error(DECODE, format!("The message cannot be decoded: {cause}."))
}

fn too_large(delivery_id: u32, size: usize, limit: usize) -> Error {
    let what = format!("The received message (delivery-id:{delivery_id}, size:{size} bytes)");
    error(TOO_LARGE, format!("{what} exceeds the limit ({limit} bytes) currently allowed on the link."))
}
