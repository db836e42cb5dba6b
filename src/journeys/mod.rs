//! `journeys.json`: which events start which journeys, and with which parameters.
//!
//! Journeys are configuration. A new event type or a new custom trigger needs no code. The file is read and validated once,
//! at start. Conditions and parameters are pure functions of a message.

mod config;
mod event_types;
mod overlay;
mod parameters;
mod pointer;
mod rules;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::json::same_value;
pub use config::ConfigError;
pub use event_types::{Details, EventType, KeyError, OrderKey};
use event_types::{EventTypes, is_same};
pub use overlay::{Overlay, OverlayError, is_overlay};
use parameters::Parameter;
pub use parameters::{MissingParameter, Type};
use pointer::Pointer;
pub use pointer::View;
pub use rules::{Obstacle, OncePer, Rules, Same, Unless};

/// All enabled journeys, in the order of the file, and the event types.
#[derive(Clone, Debug, Default)]
pub struct Journeys {
    journeys: Vec<Journey>,
    event_types: EventTypes,
}

/// A journey: its conditions, its custom trigger, and the trigger's parameters.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Unique name. It identifies the outcome in the event's record.
    pub name: String,
    /// The event type that can start it.
    pub event_type: String,
    /// The custom trigger: the name of an unbound action in Dataverse.
    pub trigger: String,
    /// What to do after an invocation without an answer.
    pub on_uncertain: OnUncertain,
    /// When it starts, and which other events decide whether it does.
    pub rules: Rules,
    conditions: Vec<Condition>,
    parameters: BTreeMap<String, Parameter>,
}

/// A trigger's parameter as declared in `journeys.json`.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredParameter<'a> {
    /// The name.
    pub name: &'a str,
    /// The type.
    pub kind: Type,
    /// Whether an event may have no value for it.
    pub may_be_absent: bool,
}

/// An event type that is probably misspelt.
#[derive(Clone, Copy, Debug)]
pub struct Misspelt<'a> {
    /// The journey that needs it.
    pub journey: &'a Journey,
    /// The type as it is written.
    pub event_type: &'a str,
    /// The known type that it resembles.
    pub similar: &'a str,
}

/// What to do when it is uncertain whether an invocation started the journey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnUncertain {
    /// Invoke again. The journey is never missed, but may start twice.
    #[default]
    Retry,
    /// Hold it for an operator. The journey never starts twice, but may be missed.
    Hold,
}

/// A condition on the message.
#[derive(Clone, Debug)]
struct Condition {
    pointer: Pointer,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present,
    Empty,
    Equals(Box<RawValue>),
}

impl Condition {
    fn is_met(&self, view: &View<'_>) -> bool {
        let value = view.get(&self.pointer);
        match &self.test {
            Test::Present => value.is_some_and(|value| !pointer::is_empty(&value)),
            Test::Empty => value.is_none_or(|value| pointer::is_empty(&value)),
            Test::Equals(expected) => value.is_some_and(|value| same_value(&value, expected)),
        }
    }

    fn describe_unmet(&self) -> String {
        match &self.test {
            Test::Present => format!("{} is not present", self.pointer),
            Test::Empty => format!("{} is not empty", self.pointer),
            Test::Equals(expected) => format!("{} does not equal {}", self.pointer, expected.get()),
        }
    }
}

impl Journeys {
    /// Reads and validates the text of `journeys.json`. `setting` looks up the app setting for `%Name%`.
    pub fn read(text: &str, setting: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigError>> {
        config::read(text, &setting)
    }

    /// The journeys for events of this type.
    pub fn of_type<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Journey> {
        self.journeys.iter().filter(move |journey| is_same(&journey.event_type, event_type))
    }

    /// Journeys for which records are not kept long enough: their other events would be forgotten before they are due.
    pub fn outlasting(&self, kept: Duration) -> impl Iterator<Item = &Journey> {
        self.iter().filter(move |journey| journey.rules.after >= kept)
    }

    /// The types of events that make journeys of this type superfluous.
    pub fn precluding<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a str> {
        let unless = self.of_type(event_type).filter_map(|journey| journey.rules.unless.as_ref());
        unless.flat_map(|unless| unless.event_types.iter().map(String::as_str))
    }

    /// The needed event types that are none of these, each with its journey.
    pub fn not_of_types<'a>(&'a self, event_types: &'a [String]) -> impl Iterator<Item = (&'a Journey, &'a str)> {
        let needed = self.journeys.iter().flat_map(|journey| journey.needed_types().map(move |it| (journey, it)));
        needed.filter(move |(_, needed)| !event_types.iter().any(|it| is_same(it, needed)))
    }

    /// The event types to poll: these, or those of the journeys and of the events that make them superfluous. None occurs
    /// twice.
    pub fn polled_types(&self, chosen: Option<&[String]>) -> Vec<String> {
        let of_journeys = || self.journeys.iter().flat_map(Journey::needed_types).map(str::to_owned).collect();
        let mut types = chosen.map_or_else(of_journeys, <[String]>::to_vec);
        let mut known: Vec<String> = Vec::new();
        types.retain(|event_type| {
            let is_new = !known.iter().any(|other| is_same(other, event_type));
            known.extend(is_new.then(|| event_type.clone()));
            is_new
        });
        types
    }

    /// Those of these event types that no journey has.
    pub fn unused_types<'a>(&'a self, event_types: &'a [String]) -> impl Iterator<Item = &'a str> {
        let is_needed =
            |event_type: &str| self.journeys.iter().flat_map(Journey::needed_types).any(|it| is_same(it, event_type));
        event_types.iter().map(String::as_str).filter(move |event_type| !is_needed(event_type))
    }

    /// What the events of this type are enriched with.
    pub fn event_type(&self, name: &str) -> EventType {
        self.event_types.get(name)
    }

    /// The event types of journeys that are not known, and nearly a known one.
    pub fn misspelt_types(&self) -> impl Iterator<Item = Misspelt<'_>> {
        let needed = self.journeys.iter().flat_map(|journey| journey.needed_types().map(move |it| (journey, it)));
        needed.filter_map(|(journey, event_type)| {
            Some(Misspelt { journey, event_type, similar: self.event_types.similar(event_type)? })
        })
    }

    /// All journeys.
    pub fn iter(&self) -> impl Iterator<Item = &Journey> {
        self.journeys.iter()
    }
}

impl Journey {
    /// The type of its events, and those of the events that make it superfluous.
    fn needed_types(&self) -> impl Iterator<Item = &str> {
        let others = self.rules.unless.iter().flat_map(|unless| &unless.event_types);
        std::iter::once(&self.event_type).chain(others).map(String::as_str)
    }

    /// The first condition that the message does not meet. `None` if it meets all.
    pub fn unmet(&self, view: &View<'_>) -> Option<String> {
        self.conditions.iter().find(|condition| !condition.is_met(view)).map(Condition::describe_unmet)
    }

    /// The custom trigger's parameters for this message and contact. Each has the declared JSON type.
    pub fn fill(
        &self,
        view: &View<'_>,
        contact: Uuid,
        now: DateTime<Utc>,
    ) -> Result<BTreeMap<&str, Box<RawValue>>, MissingParameter> {
        let mut filled = BTreeMap::new();
        for (name, parameter) in &self.parameters {
            if let Some(value) = parameter.fill(name, view, contact, now)? {
                filled.insert(name.as_str(), value);
            }
        }
        Ok(filled)
    }

    /// The names of all declared parameters.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// All declared parameters.
    pub fn parameters(&self) -> impl Iterator<Item = DeclaredParameter<'_>> {
        self.parameters.iter().map(|(name, parameter)| DeclaredParameter {
            name,
            kind: parameter.kind,
            may_be_absent: parameter.optional && parameter.default.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Message;

    const JOURNEYS: &str = r#"{"journeys": [{"name": "a", "eventType": "Checkout", "trigger": "t",
        "conditions": [{"pointer": "/OrderDetails/NumberOfItems", "equals": 2},
                       {"pointer": "/OrderDetails/AmountDue", "equals": 0},
                       {"pointer": "/OrderDetails/RequestedDeliveryDate", "is": "empty"}],
        "parameters": {"at": {"from": ["/OrderDetails/RequestedDeliveryDate", "/OrderDetails/CreatedDateTime"], "type": "DateTime"},
                       "text": {"from": "/OrderDetails/RequestedDeliveryDate", "type": "String"}}}]}"#;

    #[test]
    fn numbers_are_compared_as_numbers_and_empty_marks_are_no_values() {
        let journeys = Journeys::read(JOURNEYS, |_| None).unwrap();
        let journey = journeys.iter().next().unwrap();
        let unmet = |items: &str, due: &str, date: &str| {
            let body = format!(
                r#"{{"OrderDetails":{{"NumberOfItems":{items},"AmountDue":{due},"RequestedDeliveryDate":"{date}",
                    "CreatedDateTime":"2024-05-15T09:02:08Z"}},"EventDetails":{{"EventTransactionId":"T",
                    "EventDateTime":"2024-05-15T09:02:08Z","EventType":"Checkout","EventChannelId":"1"}}}}"#
            );
            let message = Message::decode(body.as_bytes()).unwrap();
            let view = View::new(&message);
            let filled = journey.fill(&view, Uuid::nil(), DateTime::UNIX_EPOCH).unwrap();
            assert_eq!(filled["at"].get(), "\"2024-05-15T09:02:08.000Z\"");
            assert_eq!(filled["text"].get(), "\"\"");
            journey.unmet(&view)
        };
        assert_eq!(unmet("2.0", "0.0000", "1900-01-01T00:00:00+02:00"), None);
        assert_eq!(unmet("0.2e1", "-0", "0001-01-01"), None);
        assert_eq!(unmet("2.1", "0", "").as_deref(), Some("/OrderDetails/NumberOfItems does not equal 2"));
    }
}
