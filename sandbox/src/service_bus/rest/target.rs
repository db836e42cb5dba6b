//! The entity and the operation in a request's path.

use percent_encoding::percent_decode_str;

use super::super::EntityPath;

/// The target of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// `{topic}/messages`
    Topic(String),
    /// `{topic}/subscriptions/{subscription}[/$DeadLetterQueue]/messages/head`
    Head(EntityPath),
    /// `…/messages/{message id or sequence number}/{lock token}`
    Locked(EntityPath, String, String),
}

impl Target {
    /// Parses a request's path in its percent-encoded form.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let segments: Vec<String> = path
            .trim_matches('/')
            .split('/')
            .map(|segment| percent_decode_str(segment).decode_utf8().map(Into::into))
            .collect::<Result<_, _>>()
            .ok()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            [topic @ .., messages] if is(messages, "messages") => topic_name(topic).map(Self::Topic),
            [entity @ .., messages, head] if is(messages, "messages") && is(head, "head") => {
                entity_path(entity).map(Self::Head)
            }
            [entity @ .., messages, message, lock] if is(messages, "messages") => {
                entity_path(entity).map(|path| Self::Locked(path, (*message).to_owned(), (*lock).to_owned()))
            }
            _ => None,
        }
    }
}

fn is(segment: &str, word: &str) -> bool {
    segment.eq_ignore_ascii_case(word)
}

fn topic_name(segments: &[&str]) -> Option<String> {
    (!segments.is_empty() && segments.iter().all(|segment| !segment.is_empty())).then(|| segments.join("/"))
}

/// Only subscriptions can be received from: there are no queues here.
fn entity_path(segments: &[&str]) -> Option<EntityPath> {
    match segments {
        [entity @ .., dead] if is(dead, "$DeadLetterQueue") => entity_path(entity).map(|path| path.dead_letters()),
        [topic @ .., subscriptions, subscription] if is(subscriptions, "subscriptions") => {
            Some(EntityPath::new(topic_name(topic)?, *subscription))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_select_topics_heads_and_locks() {
        let entity = EntityPath::new("shop/orders", "all");
        assert_eq!(Target::parse("/shop/orders/messages"), Some(Target::Topic("shop/orders".to_owned())));
        assert_eq!(Target::parse("/shop/orders/Subscriptions/all/messages/head/"), Some(Target::Head(entity.clone())));
        assert_eq!(
            Target::parse("/shop/orders/subscriptions/all/%24DeadLetterQueue/messages/head"),
            Some(Target::Head(entity.dead_letters()))
        );
        let locked = Target::Locked(entity, "a b".to_owned(), "lock".to_owned());
        assert_eq!(Target::parse("/shop/orders/subscriptions/all/messages/a%20b/lock"), Some(locked));
        for path in ["/", "/messages", "/orders", "/orders/messages/head", "/orders//messages", "/a/b/c/d"] {
            assert_eq!(Target::parse(path), None, "{path}");
        }
    }
}
