//! The identity of an event.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of an event's record and message. It is derived from all four fields of the event store's primary key:
/// transaction id, type, date-time and data area.
///
/// Example: `HOUSTON-17-1721824109286~Checkout~20240724T141702.16~usrt`. Different keys have different ids. An id is valid
/// as a Cosmos DB item id (no `/ \ ? #`) and as a Service Bus `MessageId` (at most 128 characters). Every byte except
/// `A-Z a-z 0-9 - _ . ,` is written as `!XX`. A key that is too long ends with `!!` and a name-based UUID of the whole
/// key. No escaped key contains `!!`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventId(String);

/// Leaves space for the suffix of a rescheduled message's `MessageId` within 128 characters.
const LONGEST: usize = 112;

/// Namespace of the UUIDs for long keys. It must never change.
const LONG_KEYS: Uuid = Uuid::from_u128(0x2f0c_8a5e_93d1_4c57_b2aa_6d3a_51be_7f04);

impl EventId {
    /// The id of the event with this key. A valid `date_time` is normalised, so the same time with or without trailing
    /// zeros gives the same id.
    pub fn new(transaction_id: &str, event_type: &str, date_time: &str, data_area_id: &str) -> Self {
        let timestamp = parse_timestamp(date_time).map_or_else(|| escape(date_time), compact);
        Self::shortened([escape(transaction_id), escape(event_type), timestamp, escape(data_area_id)].join("~"))
    }

    /// The id of a row without a usable key, derived from its text.
    pub fn of_malformed(raw: &str) -> Self {
        Self(format!("malformed!!{}", Uuid::new_v5(&LONG_KEYS, raw.as_bytes()).simple()))
    }

    fn shortened(whole: String) -> Self {
        if whole.len() <= LONGEST {
            return Self(whole);
        }
        let name = Uuid::new_v5(&LONG_KEYS, whole.as_bytes()).simple();
        let kept = &whole[..LONGEST - 2 - 32];
        Self(format!("{kept}!!{name}"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The `MessageId` of the `nth` publication (from 0). The duplicate detection of Service Bus drops a repeated send of
    /// one publication, but not a later publication.
    pub fn message_id(&self, nth: u32) -> String {
        match nth {
            0 => self.0.clone(),
            nth => format!("{}~~{nth}", self.0),
        }
    }

    /// The id of this event's trace. Every process derives the same id.
    pub fn trace_id(&self) -> u128 {
        Uuid::new_v5(&LONG_KEYS, self.0.as_bytes()).as_u128()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parses the event store's date-time. A missing time zone means UTC, as everywhere in Commerce.
pub(super) fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_rfc3339(&format!("{text}Z")))
        .ok()
        .map(|timestamp| timestamp.to_utc())
}

fn compact(timestamp: DateTime<Utc>) -> String {
    let text = timestamp.format("%Y%m%dT%H%M%S%.9f").to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(part: &str) -> String {
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b',' => escaped.push(byte.into()),
            other => escaped.push_str(&format!("!{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: [&str; 4]) -> String {
        EventId::new(key[0], key[1], key[2], key[3]).to_string()
    }

    #[test]
    fn is_readable() {
        assert_eq!(
            id(["HOUSTON-HOUSTON-17-1721824109286", "AddCartLines", "2024-07-24T14:17:02.16Z", "usrt"]),
            "HOUSTON-HOUSTON-17-1721824109286~AddCartLines~20240724T141702.16~usrt"
        );
    }

    #[test]
    fn every_key_field_counts() {
        let key = ["T1", "Checkout", "2024-07-24T14:17:02.16Z", "usrt"];
        let others = [
            ["T2", "Checkout", "2024-07-24T14:17:02.16Z", "usrt"],
            ["T1", "AddCartLines", "2024-07-24T14:17:02.16Z", "usrt"],
            ["T1", "Checkout", "2024-07-24T14:17:02.163Z", "usrt"],
            ["T1", "Checkout", "2024-07-24T14:17:02.16Z", "usr"],
            ["T1~Checkout", "", "2024-07-24T14:17:02.16Z", "usrt"],
            ["T1!7E", "Checkout", "2024-07-24T14:17:02.16Z", "usrt"],
        ];
        for other in others {
            assert_ne!(id(key), id(other));
        }
    }

    #[test]
    fn the_same_time_in_another_format_is_the_same_event() {
        let written = ["2024-07-24T14:17:02.16Z", "2024-07-24T14:17:02.160", "2024-07-24T16:17:02.1600000+02:00"];
        for text in written {
            assert_eq!(id(["T", "Checkout", text, "usrt"]), "T~Checkout~20240724T141702.16~usrt");
        }
        assert_eq!(id(["T", "Checkout", "2024-07-24T14:17:00Z", "u"]), "T~Checkout~20240724T141700~u");
    }

    #[test]
    fn every_key_gives_a_valid_id() {
        let wild = "ä/\\?#~! 'x\u{0}漢".repeat(20);
        for key in [["", "", "", ""], ["a/b\\c?d#e", "T", "yesterday", "x"], [&wild, &wild, &wild, &wild]] {
            let id = EventId::new(key[0], key[1], key[2], key[3]);
            assert!(id.message_id(u32::MAX).len() <= 128);
            assert!(id.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"/\\?#".contains(&b)), "{id}");
        }
        let mut longer = wild.clone();
        longer.push('x');
        assert_ne!(id([&wild, "T", "D", "u"]), id([&longer, "T", "D", "u"]));
    }

    proptest::proptest! {
        #[test]
        fn different_keys_have_different_valid_ids(one in [".{0,44}", ".{0,20}", ".{0,30}", ".{0,4}"], other in [".{0,44}", ".{0,20}", ".{0,30}", ".{0,4}"]) {
            let id = |key: &[String; 4]| EventId::new(&key[0], &key[1], &key[2], &key[3]);
            let legal = |id: &EventId| id.message_id(u32::MAX).len() <= 128 && id.as_str().bytes().all(|b| b.is_ascii_graphic() && !b"/\\?#".contains(&b));
            proptest::prop_assert!(legal(&id(&one)) && legal(&id(&other)));
            let same_time = parse_timestamp(&one[2]).is_some() && parse_timestamp(&one[2]) == parse_timestamp(&other[2]);
            let same_key = one[..2] == other[..2] && one[3] == other[3] && (one[2] == other[2] || same_time);
            proptest::prop_assert_eq!(id(&one) == id(&other), same_key);
        }
    }
}
