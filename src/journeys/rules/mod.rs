//! What a journey waits for, and which other events decide whether it starts.

mod known;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use known::Obstacle;

/// When a journey starts after its event, and what prevents it until then. The default starts at once, once per event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// How long after the time of its event it starts. Zero: at once.
    pub after: Duration,
    /// Other events that make it superfluous.
    pub unless: Option<Unless>,
    /// Whether only the last event of its type for a transaction counts.
    pub latest_only: bool,
    /// How often it starts.
    pub once_per: OncePer,
}

/// Events that make a journey superfluous if they happen before it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unless {
    /// Their types.
    pub event_types: Vec<String>,
    /// What they have in common with the journey's event.
    pub same: Same,
}

/// What two events have in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Same {
    /// The transaction: a cart and its order.
    #[default]
    Transaction,
    /// The customer, in any channel.
    Customer,
}

/// How often a journey starts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OncePer {
    /// Once for each event.
    #[default]
    Event,
    /// Once for each transaction, in this period. Without one: as long as records are kept.
    Transaction(Option<Duration>),
    /// Once for each customer, in this period.
    Customer(Duration),
}

impl Rules {
    /// When the journey of an event of this time is due. `None`: at once.
    pub fn due_at(&self, occurred_at: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let after = TimeDelta::from_std(self.after).ok().filter(|after| !after.is_zero())?;
        occurred_at?.checked_add_signed(after)
    }

    /// Whether other events can prevent the journey.
    pub fn depends_on_others(&self) -> bool {
        self.latest_only || self.unless.is_some()
    }

    /// Whether events of the same customer in other transactions can prevent it.
    pub fn depends_on_customer(&self) -> bool {
        self.unless.as_ref().is_some_and(|unless| unless.same == Same::Customer)
    }
}
