//! `journeys.json`: which events start which journeys, and with what.
//!
//! Journeys are configuration: a new event type or a new custom trigger needs no code. The file is read and checked
//! once, at start; what it asks of one message is a pure function of that message.

mod config;
mod parameters;
mod pointer;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::value::RawValue;
use uuid::Uuid;

pub use config::ConfigProblem;
use parameters::Parameter;
pub use parameters::{MissingParameter, Type};
use pointer::Pointer;
pub use pointer::View;

/// All enabled journeys, in the file's order.
#[derive(Clone, Debug, Default)]
pub struct Journeys(Vec<Journey>);

/// One journey: when it starts, and what its custom trigger is told.
#[derive(Clone, Debug)]
pub struct Journey {
    /// Unique; names the outcome in the event's record.
    pub name: String,
    /// The event type that may start it.
    pub event_type: String,
    /// The custom trigger: the name of an unbound action in Dataverse.
    pub trigger: String,
    /// What to do about an invocation whose answer was lost.
    pub on_uncertain: OnUncertain,
    conditions: Vec<Condition>,
    parameters: BTreeMap<String, Parameter>,
}

/// A parameter of a journey's trigger, as `journeys.json` declares it.
#[derive(Clone, Copy, Debug)]
pub struct DeclaredParameter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub kind: Type,
    /// Whether an event may leave it without a value.
    pub may_be_absent: bool,
}

/// What to do when nobody can know whether an invocation started the journey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnUncertain {
    /// Invoke again: never missed, perhaps twice.
    #[default]
    Retry,
    /// Leave it to a person: never twice, perhaps missed.
    Hold,
}

/// Something that must hold of the message.
#[derive(Clone, Debug)]
struct Condition {
    pointer: Pointer,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Present,
    Empty,
    Equals(serde_json::Value),
}

impl Condition {
    fn holds(&self, view: &View<'_>) -> bool {
        let value = view.get(&self.pointer);
        match &self.test {
            Test::Present => value.is_some_and(|value| !pointer::is_empty(value)),
            Test::Empty => value.is_none_or(pointer::is_empty),
            Test::Equals(wanted) => {
                value.and_then(|value| serde_json::from_str::<serde_json::Value>(value.get()).ok()).as_ref()
                    == Some(wanted)
            }
        }
    }

    fn in_words(&self) -> String {
        match &self.test {
            Test::Present => format!("{} is not present", self.pointer),
            Test::Empty => format!("{} is not empty", self.pointer),
            Test::Equals(wanted) => format!("{} does not equal {wanted}", self.pointer),
        }
    }
}

impl Journeys {
    /// Reads and checks the text of `journeys.json`. `setting` looks up the app settings that `%Name%` stands for.
    pub fn read(text: &str, setting: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<ConfigProblem>> {
        config::read(text, &setting).map(Self)
    }

    /// The journeys that events of this type may start.
    pub fn of_type<'a>(&'a self, event_type: &'a str) -> impl Iterator<Item = &'a Journey> {
        self.0.iter().filter(move |journey| journey.event_type == event_type)
    }

    /// All journeys.
    pub fn iter(&self) -> impl Iterator<Item = &Journey> {
        self.0.iter()
    }
}

impl Journey {
    /// `None` if the message starts this journey, otherwise the condition that it does not meet, in words.
    pub fn unmet(&self, view: &View<'_>) -> Option<String> {
        self.conditions.iter().find(|condition| !condition.holds(view)).map(Condition::in_words)
    }

    /// The custom trigger's parameters for this message and contact, each with the JSON type that its declaration
    /// asks for.
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

    /// The names of all parameters that this journey fills.
    pub fn parameter_names(&self) -> impl Iterator<Item = &str> {
        self.parameters.keys().map(String::as_str)
    }

    /// All parameters that this journey fills, as it declares them.
    pub fn parameters(&self) -> impl Iterator<Item = DeclaredParameter<'_>> {
        self.parameters.iter().map(|(name, parameter)| DeclaredParameter {
            name,
            kind: parameter.kind,
            may_be_absent: parameter.optional && parameter.default.is_none(),
        })
    }
}
