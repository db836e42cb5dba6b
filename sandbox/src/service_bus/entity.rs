//! Topics and subscriptions: their names, settings and limits.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(86_400);

/// An entity for receiving: a subscription or its dead letters. Names are case-insensitive.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityPath {
    /// The topic's name.
    pub topic: String,
    /// The subscription's name.
    pub subscription: String,
    /// Whether this is the dead-letter queue of the subscription.
    pub dead_letter: bool,
}

impl EntityPath {
    /// The path of a subscription.
    pub fn new(topic: impl Into<String>, subscription: impl Into<String>) -> Self {
        Self { topic: topic.into(), subscription: subscription.into(), dead_letter: false }
    }

    /// The dead-letter queue of the same subscription.
    pub fn dead_letters(&self) -> Self {
        Self { dead_letter: true, ..self.clone() }
    }

    /// The key under which the broker stores the entity.
    pub(super) fn folded(&self) -> Self {
        Self { topic: fold(&self.topic), subscription: fold(&self.subscription), dead_letter: self.dead_letter }
    }
}

impl fmt::Display for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/Subscriptions/{}", self.topic, self.subscription)?;
        if self.dead_letter { f.write_str("/$DeadLetterQueue") } else { Ok(()) }
    }
}

pub(super) fn fold(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Why an entity could not be created.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// A setting is outside its limits.
    #[error("{0}")]
    Invalid(&'static str),
    /// The name is already used.
    #[error("the entity already exists")]
    Exists,
    /// The topic of a subscription does not exist.
    #[error("the topic does not exist")]
    NoTopic,
}

/// A topic's settings.
#[derive(Clone, Debug)]
pub struct TopicOptions {
    /// At most 260 characters.
    pub name: String,
    /// How long message ids are remembered (20 seconds to 7 days). `None` turns duplicate detection off.
    pub duplicate_detection_window: Option<Duration>,
    /// The longest time to live of a message.
    pub default_ttl: Duration,
    /// The largest message including properties, and the largest batch.
    pub max_message_bytes: usize,
}

impl TopicOptions {
    /// A Standard tier topic: no duplicate detection, 14 days, 256 KB.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            duplicate_detection_window: None,
            default_ttl: 14 * DAY,
            max_message_bytes: 256 * 1024,
        }
    }

    pub(super) fn check(&self) -> Result<(), CreateError> {
        check_name(&self.name, 260, true)?;
        if self.duplicate_detection_window.is_some_and(|window| window < 20 * SECOND || window > 7 * DAY) {
            return Err(CreateError::Invalid("the duplicate detection window must be 20 seconds to 7 days"));
        }
        check_ttl(self.default_ttl)
    }
}

/// A subscription's settings. It receives every message of its topic (the rule `1=1`).
#[derive(Clone, Debug)]
pub struct SubscriptionOptions {
    /// At most 50 characters.
    pub name: String,
    /// The lock duration; at most 5 minutes.
    pub lock_duration: Duration,
    /// After this number of deliveries, an abandoned message is dead-lettered.
    pub max_delivery_count: u32,
    /// Whether expired messages are dead-lettered or discarded.
    pub dead_letter_on_expiry: bool,
    /// The longest time to live of a message in this subscription.
    pub default_ttl: Duration,
}

impl SubscriptionOptions {
    /// A lock of one minute, ten deliveries, 14 days; expired messages are discarded.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            lock_duration: 60 * SECOND,
            max_delivery_count: 10,
            dead_letter_on_expiry: false,
            default_ttl: 14 * DAY,
        }
    }

    pub(super) fn check(&self) -> Result<(), CreateError> {
        check_name(&self.name, 50, false)?;
        if self.lock_duration < SECOND || self.lock_duration > 300 * SECOND {
            return Err(CreateError::Invalid("the lock duration must be 1 second to 5 minutes"));
        }
        if !(1..=2000).contains(&self.max_delivery_count) {
            return Err(CreateError::Invalid("the delivery count must be 1 to 2000"));
        }
        check_ttl(self.default_ttl)
    }
}

/// A topic's name may have segments, a subscription's name may not.
fn check_name(name: &str, longest: usize, segments: bool) -> Result<(), CreateError> {
    if name.is_empty() || name.len() > longest {
        return Err(CreateError::Invalid("the name is empty or too long"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') || (segments && c == '/');
    if name.chars().all(legal) {
        Ok(())
    } else {
        Err(CreateError::Invalid("the name has characters that are not allowed"))
    }
}

fn check_ttl(ttl: Duration) -> Result<(), CreateError> {
    // Longer than any test, and short enough to be added to a date.
    if ttl >= SECOND && ttl <= 36_500 * DAY {
        Ok(())
    } else {
        Err(CreateError::Invalid("the time to live must be 1 second to 100 years"))
    }
}

/// The message counts of an entity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Available, or deferred by a receiver.
    pub active: usize,
    /// Locked by a receiver.
    pub locked: usize,
    /// Scheduled in the topic; zero for dead letters.
    pub scheduled: usize,
    /// Dead letters of the subscription, including locked ones.
    pub dead_lettered: usize,
}
