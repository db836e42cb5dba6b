//! Attaches links: checks whether a link is allowed, and to which node it belongs.

use fe2o3_amqp_types::definitions::{Error, ReceiverSettleMode, Role, SenderSettleMode};
use fe2o3_amqp_types::messaging::TargetArchetype;
use fe2o3_amqp_types::performatives::Attach;
use serde_amqp::primitives::Symbol;

use super::connection::ConnectionState;
use super::error::{NOT_ALLOWED, NOT_IMPLEMENTED, error, not_found, tracked, unauthorized};
use super::link::{Incoming, Link, Outgoing};
use super::node::Node;

/// The largest request to `$cbs` or a management node, in bytes. A request may contain a message of full size.
const MAX_REQUEST: usize = 1024 * 1024;

/// Resolves the node and checks the tokens. Nothing is sent yet.
pub(super) fn link(connection: &ConnectionState, attach: &Attach, serial: u64) -> Result<Link, Error> {
    let address = address(attach)?;
    let node = Node::parse(address).ok_or_else(|| not_found(address))?;
    if let Some(resource) = node.resource() {
        connection.claims.cover(&resource, connection.service.broker.clock().now()).map_err(|token_error| {
            let mut error = unauthorized(token_error);
            let claims = if attach.role == Role::Sender { "'Send'" } else { "'Listen'" };
            error.description = error.description.map(|text| {
                let text =
                    format!("Unauthorized access. {claims} claim(s) are required to perform this operation. {text}");
                tracked(&text, &resource, connection.service.broker.clock().now())
            });
            error
        })?;
    }
    check(connection, attach, &node, address)?;
    Ok(match attach.role {
        Role::Sender => Link::Incoming(Incoming {
            max_message: max_message(connection, &node),
            node,
            delivery_count: attach.initial_delivery_count.unwrap_or_default(),
            credit: 0,
            partial: None,
        }),
        Role::Receiver => {
            let settled = attach.snd_settle_mode == SenderSettleMode::Settled;
            Link::Outgoing(Outgoing::new(serial, node, own_address(attach), settled))
        }
    })
}

/// The node's address, which the client puts at the remote end of the link.
fn address(attach: &Attach) -> Result<&str, Error> {
    let address = match (&attach.role, attach.target.as_deref()) {
        (Role::Sender, Some(TargetArchetype::Coordinator(_))) => {
            return Err(error(NOT_IMPLEMENTED, "Transactions are not supported by the sandbox."));
        }
        (Role::Sender, Some(TargetArchetype::Target(target))) => target.address.as_deref(),
        (Role::Sender, None) => None,
        (Role::Receiver, _) => attach.source.as_ref().and_then(|source| source.address.as_deref()),
    };
    address.ok_or_else(|| error("amqp:invalid-field", "The link has no entity."))
}

/// The client's own address, at its end of the link.
fn own_address(attach: &Attach) -> Option<String> {
    match attach.target.as_deref() {
        Some(TargetArchetype::Target(target)) => target.address.clone(),
        _ => None,
    }
}

fn check(connection: &ConnectionState, attach: &Attach, node: &Node, address: &str) -> Result<(), Error> {
    let broker = &connection.service.broker;
    let exists = match node {
        Node::Cbs => true,
        Node::Topic(topic) | Node::TopicManagement(topic) => broker.max_message_bytes(topic).is_ok(),
        Node::Subscription(entity) | Node::Management(entity) => broker.exists(entity),
    };
    if !exists {
        let mut error = not_found(address);
        let now = broker.clock().now();
        error.description = error.description.map(|text| tracked(&text, address, now));
        return Err(error);
    }
    match (node, &attach.role) {
        (Node::Topic(_), Role::Receiver) => {
            Err(error(NOT_ALLOWED, "Messages are received from a topic's subscriptions, not from the topic."))
        }
        (Node::Subscription(_), Role::Sender) => {
            Err(error(NOT_ALLOWED, "Messages are sent to a topic, not to its subscriptions."))
        }
        (Node::Subscription(_), Role::Receiver) if wants_session(attach) => Err(error(
            NOT_ALLOWED,
            "A sessionful message receiver cannot be created on an entity that does not require sessions.",
        )),
        _ => Ok(()),
    }
}

fn wants_session(attach: &Attach) -> bool {
    let filter = attach.source.as_ref().and_then(|source| source.filter.as_ref());
    filter.is_some_and(|filter| filter.contains_key(&Symbol::from("com.microsoft:session-filter")))
}

fn max_message(connection: &ConnectionState, node: &Node) -> usize {
    match node {
        Node::Topic(topic) => connection.service.broker.max_message_bytes(topic).unwrap_or(MAX_REQUEST),
        _ => MAX_REQUEST,
    }
}

/// The local end of an accepted link.
pub(super) fn accepted(remote: Attach, link: &Link) -> Attach {
    let max_message_size = match link {
        Link::Incoming(link) => u64::try_from(link.max_message).ok(),
        Link::Outgoing(_) => None,
    };
    Attach { max_message_size, ..answer(remote) }
}

/// The local end of a link that is detached immediately, because it has no node.
pub(super) fn refused(remote: Attach) -> Attach {
    Attach { source: None, target: None, ..answer(remote) }
}

fn answer(remote: Attach) -> Attach {
    let role = if remote.role == Role::Sender { Role::Receiver } else { Role::Sender };
    let initial_delivery_count = (role == Role::Sender).then_some(0);
    // Messages are settled here when their outcome is certain, whichever mode was requested.
    let rcv_settle_mode = if role == Role::Receiver { ReceiverSettleMode::First } else { remote.rcv_settle_mode };
    Attach {
        role,
        rcv_settle_mode,
        unsettled: None,
        incomplete_unsettled: false,
        initial_delivery_count,
        max_message_size: None,
        offered_capabilities: None,
        desired_capabilities: None,
        properties: None,
        ..remote
    }
}
