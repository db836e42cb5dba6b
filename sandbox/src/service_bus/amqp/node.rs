//! The node of a link's address.
//!
//! Clients use either a path or a URL: `order-events/Subscriptions/all`, or
//! `amqps://127.0.0.1:7703/order-events/Subscriptions/all`.

use super::super::EntityPath;

const MANAGEMENT: &str = "$management";
const DEAD_LETTERS: &str = "$DeadLetterQueue";

/// The node of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Receives tokens. It needs no authorization.
    Cbs,
    /// A topic for sending.
    Topic(String),
    /// A subscription or its dead-letter queue, for receiving.
    Subscription(EntityPath),
    /// Management requests of a topic: schedule and cancel.
    TopicManagement(String),
    /// Management requests of a subscription.
    Management(EntityPath),
}

impl Node {
    /// Parses an address.
    pub(super) fn parse(address: &str) -> Option<Self> {
        let path = path(address);
        if path.eq_ignore_ascii_case("$cbs") {
            return Some(Self::Cbs);
        }
        let segments: Vec<&str> = path.split('/').collect();
        match segments.as_slice() {
            [entity @ .., last] if last.eq_ignore_ascii_case(MANAGEMENT) => match entity_of(entity)? {
                Self::Topic(topic) => Some(Self::TopicManagement(topic)),
                Self::Subscription(entity) => Some(Self::Management(entity)),
                _ => None,
            },
            entity => entity_of(entity),
        }
    }

    /// The path that needs a token, as in a URL. `None` if no token is needed.
    pub(super) fn resource(&self) -> Option<String> {
        match self {
            Self::Cbs => None,
            Self::Topic(topic) => Some(format!("/{topic}")),
            Self::Subscription(entity) => Some(format!("/{entity}")),
            // Some clients request a token for the entity, others for the node.
            Self::TopicManagement(topic) => Some(format!("/{topic}/{MANAGEMENT}")),
            Self::Management(entity) => Some(format!("/{entity}/{MANAGEMENT}")),
        }
    }
}

/// The path of an address, without scheme, host and outer slashes.
pub(super) fn path(address: &str) -> &str {
    let path = match address.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    path.trim_matches('/')
}

fn entity_of(segments: &[&str]) -> Option<Node> {
    match segments {
        [] => None,
        [entity @ .., last] if last.eq_ignore_ascii_case(DEAD_LETTERS) => match entity_of(entity)? {
            Node::Subscription(entity) => Some(Node::Subscription(entity.dead_letters())),
            _ => None,
        },
        [topic @ .., word, subscription] if !topic.is_empty() && word.eq_ignore_ascii_case("subscriptions") => {
            name(topic).map(|topic| Node::Subscription(EntityPath::new(topic, *subscription)))
        }
        topic => name(topic).map(Node::Topic),
    }
}

fn name(segments: &[&str]) -> Option<String> {
    let legal = |segment: &&str| !segment.is_empty() && !segment.starts_with('$');
    segments.iter().all(legal).then(|| segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_paths_or_urls() {
        let entity = EntityPath::new("shop/orders", "all");
        let read = |address: &str| Node::parse(address);
        assert_eq!(read("$cbs"), Some(Node::Cbs));
        assert_eq!(read("amqps://127.0.0.1:7703/$cbs"), Some(Node::Cbs));
        assert_eq!(read("sb://host/shop/orders/"), Some(Node::Topic("shop/orders".to_owned())));
        assert_eq!(read("shop/orders/subscriptions/all"), Some(Node::Subscription(entity.clone())));
        let dead = "shop/orders/Subscriptions/all/$deadletterqueue";
        assert_eq!(read(dead), Some(Node::Subscription(entity.dead_letters())));
        assert_eq!(read(&format!("{dead}/$management")), Some(Node::Management(entity.dead_letters())));
        assert_eq!(read("orders/$management"), Some(Node::TopicManagement("orders".to_owned())));
        for address in ["", "/", "sb://host", "$management", "orders/$DeadLetterQueue", "a//b", "$cbs/$management"] {
            assert_eq!(read(address), None, "{address}");
        }
    }
}
