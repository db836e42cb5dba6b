//! Reads the responses of the Scale Unit, and compares them with what was asked for.

use axum::body::Bytes;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::codes::is_page;
use super::{CommerceError, Page};
use crate::clients::Reply;
use crate::json::{JsonError, ObjectText, RawObject, read_json, without_mark};

/// One page of a search.
#[derive(Debug, Default)]
pub struct FoundEvents {
    /// The rows, each as text.
    pub rows: Vec<Box<RawValue>>,
    /// The number of all rows of the search, if the response contains it.
    pub count: Option<usize>,
    /// Whether the response says that another page follows.
    pub has_next: bool,
}

impl FoundEvents {
    /// Whether more rows may follow after this `page`. The Scale Unit may give fewer rows than asked for, so a short page is
    /// the last one only if the response says so.
    pub fn may_continue(&self, page: Page) -> bool {
        let read = page.skip + self.rows.len();
        match self.count {
            _ if self.rows.is_empty() => false,
            _ if self.has_next || self.rows.len() >= page.top => true,
            // A smaller number is not the number of all rows.
            Some(count) if count >= read => count > read,
            Some(_) | None => true,
        }
    }
}

/// The rows of a search response.
pub fn read_events(reply: &[u8]) -> Result<FoundEvents, JsonError> {
    #[derive(Deserialize)]
    struct Found {
        #[serde(rename = "@odata.count", default)]
        count: Value,
        #[serde(rename = "@odata.nextLink", default)]
        next: Value,
        value: Vec<Box<RawValue>>,
    }
    let Found { count, next, value: rows } = read_json(reply)?;
    let count = count.as_u64().or_else(|| count.as_str()?.trim().parse().ok());
    let has_next = next.as_str().is_some_and(|link| !link.trim().is_empty());
    Ok(FoundEvents { rows, count: count.and_then(|count| usize::try_from(count).ok()), has_next })
}

/// An entity that was asked for, and the field with its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) what: &'static str,
    pub(super) key_field: &'static str,
    pub(super) key: &'a str,
}

/// The entity in a response, if it is the one that was asked for. `look` gets its fields.
pub(super) fn entity<T>(
    reply: Reply,
    wanted: Wanted<'_>,
    look: impl FnOnce(&RawObject<'_>) -> T,
) -> Result<(ObjectText, T), CommerceError> {
    let what = wanted.what;
    // OData returns 204 for an entity that is null.
    if reply.status == StatusCode::NO_CONTENT {
        return Err(CommerceError::NotFound(what));
    }
    let body = expect(reply, what)?;
    let value = without_mark(&body).trim_ascii();
    if value == b"null" {
        return Err(CommerceError::NotFound(what));
    }
    if !value.starts_with(b"{") && read_json::<IgnoredAny>(value).is_ok() {
        return Err(CommerceError::Unreadable(format!("the {what} is not an object")));
    }
    let (text, (key, looked)) = ObjectText::read(&body, |fields| (fields.text(wanted.key_field), look(fields)))?;
    match key {
        Some(found) if wanted.is_met_by(&found) => Ok((text, looked)),
        Some(_) => Err(CommerceError::Unreadable(format!("it contains another {what} than the one requested"))),
        None => Err(CommerceError::Unreadable(format!("the {what} has no {}", wanted.key_field))),
    }
}

impl Wanted<'_> {
    /// A temporary number may have been replaced by the real one.
    fn is_met_by(&self, found: &str) -> bool {
        let (asked, found) = (self.key.trim(), found.trim());
        let is_replaced = self.what == CUSTOMER && Uuid::parse_str(asked).is_ok() && !found.is_empty();
        is_replaced || asked.eq_ignore_ascii_case(found)
    }
}

pub(super) const CUSTOMER: &str = "customer";

/// The body of a successful response, or the error of another one. A page of a gateway is no success.
pub(super) fn expect(reply: Reply, what: &'static str) -> Result<Bytes, CommerceError> {
    if reply.status.is_success() && !is_page(&reply) {
        Ok(reply.body)
    } else {
        Err(CommerceError::of_reply(&reply, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            headers: Default::default(),
            body: body.as_bytes().into(),
        }
    }

    fn order(status: u16, body: &'static str) -> Result<ObjectText, CommerceError> {
        read(reply(status, body), Wanted { what: "order", key_field: "Id", key: "T-1" })
    }

    fn customer(key: &str, body: &'static str) -> Result<ObjectText, CommerceError> {
        read(reply(200, body), Wanted { what: CUSTOMER, key_field: "AccountNumber", key })
    }

    fn read(reply: Reply, wanted: Wanted<'_>) -> Result<ObjectText, CommerceError> {
        entity(reply, wanted, |_| ()).map(|(text, ())| text)
    }

    #[test]
    fn responses_map_to_errors() {
        let not_found = r#"{"ErrorResourceId":"Microsoft_Dynamics_Commerce_Runtime_ObjectNotFound"}"#;
        let denied = r#"{"error":{"code":"Microsoft_Dynamics_Commerce_Runtime_AuthorizationFailed"}}"#;
        assert!(matches!(order(404, ""), Err(CommerceError::NotFound("order"))));
        assert!(matches!(order(400, not_found), Err(CommerceError::NotFound(_))));
        assert!(matches!(order(204, ""), Err(CommerceError::NotFound(_))));
        assert!(matches!(order(200, "\u{feff}null"), Err(CommerceError::NotFound(_))));
        assert!(matches!(order(403, denied), Err(CommerceError::Forbidden(_))));
        assert!(matches!(order(503, ""), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(order(429, ""), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(order(302, ""), Err(CommerceError::Unavailable { .. })));
        assert!(matches!(order(400, "{}"), Err(CommerceError::Unknown(_))));
        assert!(matches!(order(200, r#"{"Id":"#), Err(CommerceError::Unreadable(_))));
        let list = order(200, "[]").unwrap_err().to_string();
        assert!(list.contains("the order is not an object"), "{list}");
    }

    #[test]
    fn an_entity_is_the_one_that_was_asked_for() {
        assert_eq!(order(200, "\u{feff}{\"Id\":\"t-1\",\"A\":1.50}").unwrap().as_str(), r#"{"Id":"t-1","A":1.50}"#);
        assert!(matches!(order(200, r#"{"Id":"T-2"}"#), Err(CommerceError::Unreadable(_))));
        assert!(matches!(order(200, r#"{"error":{"code":""}}"#), Err(CommerceError::Unreadable(_))));
        assert!(matches!(order(200, "<html>closed</html>"), Err(CommerceError::Unavailable { .. })));
        assert!(customer("1001", r#"{"AccountNumber":"1001"}"#).is_ok());
        assert!(matches!(customer("1001", r#"{"AccountNumber":"1002"}"#), Err(CommerceError::Unreadable(_))));
        assert!(customer("2cf6659a-a87e-4603-b4a9-4438ccb27fad", r#"{"AccountNumber":"1002"}"#).is_ok());
    }

    #[test]
    fn a_search_response_says_whether_more_follows() {
        let found = read_events(b"\xef\xbb\xbf{\"@odata.count\":3,\"@odata.nextLink\":\"x\",\"value\":[{}]}").unwrap();
        assert_eq!((found.rows.len(), found.count, found.has_next), (1, Some(3), true));
        let found = read_events(br#"{"@odata.count":null,"value":[]}"#).unwrap();
        assert_eq!((found.rows.len(), found.count, found.has_next), (0, None, false));
    }

    #[test]
    fn pages_are_read_until_the_response_says_that_it_is_the_last() {
        let continues = |rows: usize, count: Option<usize>, skip: usize| {
            let rows = vec![RawValue::from_string("{}".to_owned()).unwrap(); rows];
            FoundEvents { rows, count, has_next: false }.may_continue(Page { skip, top: 250 })
        };
        assert!(continues(100, Some(151), 0) && continues(100, None, 0) && continues(250, Some(250), 0));
        assert!(continues(100, Some(100), 100), "a count of the page only");
        assert!(!continues(51, Some(151), 100) && !continues(0, Some(151), 100) && !continues(0, None, 0));
        let linked = FoundEvents { has_next: true, ..read_events(br#"{"@odata.count":1,"value":[{}]}"#).unwrap() };
        assert!(linked.may_continue(Page { skip: 0, top: 250 }));
    }
}
