//! The state of the broker, protected by its mutex. No method here waits.
//!
//! Everything with a deadline (a lock, a schedule, an expiry) has a timer. Due timers are processed before anything
//! else happens, so an expired lock can never be used to settle a message.

mod queries;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::broker::Delivery;
use super::entity::{EntityPath, SubscriptionOptions, TopicOptions};
use super::message::{Changes, DeadLetter, Message, NewMessage};
use super::topic::Topic;
use crate::clock::{Clock, TimeHold};

/// A timer. Timers of the same time fire in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// A scheduled message of this topic is due.
    Scheduled(String, i64),
    /// A lock expires.
    Lock(EntityPath, i64, Uuid),
    /// An unlocked message expires.
    Expiry(EntityPath, i64),
}

/// The messages of a subscription or of its dead-letter queue.
pub(super) struct Queue {
    options: Arc<SubscriptionOptions>,
    available: BTreeMap<i64, Message>,
    /// Deferred by receivers.
    deferred: BTreeMap<i64, Message>,
    waiting: VecDeque<(u64, oneshot::Sender<Delivery>)>,
}

/// A locked message.
pub(super) struct Held {
    path: EntityPath,
    message: Message,
    until: DateTime<Utc>,
}

impl Held {
    /// Whether it is a dead letter.
    pub(in crate::service_bus) fn is_dead(&self) -> bool {
        self.path.dead_letter
    }

    /// Whether it was received from this entity.
    pub(in crate::service_bus) fn is_of(&self, path: &EntityPath) -> bool {
        self.path == *path
    }

    /// Whether it is the message with this id or sequence number, received from this entity.
    pub(in crate::service_bus) fn is(&self, path: &EntityPath, name: &str) -> bool {
        self.path == *path && (self.message.message_id == name || self.message.sequence_number.to_string() == name)
    }
}

pub(super) struct State {
    clock: Clock,
    /// Notified when there is a timer before the broker's current wake-up time.
    wakeup: Arc<Notify>,
    wake: Option<DateTime<Utc>>,
    /// Holds simulated time until the broker has registered the new wake-up time.
    wakeup_hold: Option<TimeHold>,
    timers: BTreeSet<(DateTime<Utc>, Timer)>,
    pub(super) topics: BTreeMap<String, Topic>,
    queues: BTreeMap<EntityPath, Queue>,
    locks: HashMap<Uuid, Held>,
    last_receiver: u64,
    /// How many of the next messages are enqueued twice.
    pub(super) doubled: usize,
}

impl State {
    pub(super) fn new(clock: Clock, wakeup: Arc<Notify>) -> Self {
        Self {
            clock,
            wakeup,
            wake: None,
            wakeup_hold: None,
            timers: BTreeSet::new(),
            topics: BTreeMap::new(),
            queues: BTreeMap::new(),
            locks: HashMap::new(),
            last_receiver: 0,
            doubled: 0,
        }
    }

    pub(super) fn add_topic(&mut self, key: String, options: TopicOptions) {
        self.topics.insert(key, Topic::new(options));
    }

    /// Adds a subscription and its dead-letter queue. The topic exists.
    pub(super) fn add_subscription(&mut self, path: &EntityPath, options: SubscriptionOptions) {
        let options = Arc::new(options);
        for path in [path.clone(), path.dead_letters()] {
            let queue = Queue {
                options: options.clone(),
                available: BTreeMap::new(),
                deferred: BTreeMap::new(),
                waiting: VecDeque::new(),
            };
            self.queues.insert(path.folded(), queue);
        }
        if let Some(topic) = self.topics.get_mut(&path.folded().topic) {
            topic.subscriptions.push(path.folded());
        }
    }

    pub(super) fn has(&self, path: &EntityPath) -> bool {
        self.queues.contains_key(path)
    }

    // ---- time

    fn set_timer(&mut self, at: DateTime<Utc>, timer: Timer) {
        self.timers.insert((at, timer));
        if self.wake.is_none_or(|wake| at < wake) {
            self.wake = Some(at);
            self.wakeup_hold.get_or_insert_with(|| self.clock.hold());
            self.wakeup.notify_one();
        }
    }

    /// Processes all due timers.
    pub(super) fn run_due(&mut self) {
        let now = self.clock.now();
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            match self.timers.pop_first() {
                Some((_, Timer::Scheduled(topic, number))) => self.enqueue_scheduled(&topic, number),
                Some((_, Timer::Lock(_, _, token))) => {
                    self.abandon(token);
                }
                Some((_, Timer::Expiry(path, sequence))) => self.expire(&path, sequence),
                None => return,
            }
        }
    }

    /// The next timer for the broker, and the hold until the broker has registered it.
    pub(super) fn next_wake(&mut self) -> (Option<DateTime<Utc>>, Option<TimeHold>) {
        self.wake = self.timers.first().map(|(at, _)| *at);
        (self.wake, self.wakeup_hold.take())
    }

    // ---- sending

    /// Accepts a valid message; `key` is an existing topic. Returns a sequence number, also for a duplicate, which is
    /// discarded.
    pub(super) fn accept(&mut self, key: &str, mut message: NewMessage) -> Option<i64> {
        let now = self.clock.now();
        let topic = self.topics.get_mut(key)?;
        // Service Bus uses a GUID without hyphens as message id when the sender sets none.
        let id = message.message_id.get_or_insert_with(|| Uuid::new_v4().simple().to_string());
        if topic.is_duplicate(id, now) {
            return Some(topic.next_schedule());
        }
        let due = message.scheduled_enqueue_time.filter(|due| *due > now);
        topic.count_accepted(&message, due.is_some());
        let message = Arc::new(message);
        let copies = if self.doubled > 0 { 2 } else { 1 };
        self.doubled = self.doubled.saturating_sub(1);
        let mut number = None;
        for _ in 0..copies {
            number = match due {
                Some(due) => self.schedule(key, due, message.clone()),
                None => self.enqueue(key, &message),
            };
        }
        number
    }

    fn schedule(&mut self, key: &str, due: DateTime<Utc>, message: Arc<NewMessage>) -> Option<i64> {
        let number = self.topics.get_mut(key)?.schedule(message);
        self.set_timer(due, Timer::Scheduled(key.to_owned(), number));
        Some(number)
    }

    fn enqueue_scheduled(&mut self, key: &str, number: i64) {
        if let Some(message) = self.topics.get_mut(key).and_then(|topic| topic.scheduled.remove(&number)) {
            self.enqueue(key, &message);
        }
    }

    /// Copies the message to every subscription. A topic without subscriptions discards it, like the real service.
    fn enqueue(&mut self, key: &str, content: &Arc<NewMessage>) -> Option<i64> {
        let enqueued_time = self.clock.now();
        let topic = self.topics.get_mut(key)?;
        let sequence_number = topic.next_sequence();
        let topic_ttl = topic.options.default_ttl;
        for path in topic.subscriptions.clone() {
            let Some(queue) = self.queues.get(&path) else { continue };
            let longest = topic_ttl.min(queue.options.default_ttl);
            let message = Message {
                sequence_number,
                message_id: content.message_id.clone().unwrap_or_default(),
                enqueued_time,
                time_to_live: content.time_to_live.unwrap_or(longest).min(longest),
                delivery_count: 0,
                dead_letter: None,
                deferred: false,
                changes: BTreeMap::new(),
                content: content.clone(),
            };
            self.make_available(&path, message);
        }
        Some(sequence_number)
    }

    // ---- receiving

    fn make_available(&mut self, path: &EntityPath, message: Message) {
        let (sequence, expires_at) = (message.sequence_number, message.expires_at());
        if let Some(queue) = self.queues.get_mut(path) {
            let place = if message.deferred { &mut queue.deferred } else { &mut queue.available };
            place.insert(sequence, message);
        }
        if !path.dead_letter {
            if expires_at <= self.clock.now() {
                return self.expire(path, sequence);
            }
            self.set_timer(expires_at, Timer::Expiry(path.clone(), sequence));
        }
        self.hand_out(path);
    }

    fn hand_out(&mut self, path: &EntityPath) {
        while let Some(queue) = self.queues.get_mut(path)
            && !queue.available.is_empty()
            && let Some((_, receiver)) = queue.waiting.pop_front()
        {
            if let Some(delivery) = self.take_first(path)
                && let Err(delivery) = receiver.send(delivery)
            {
                self.release(delivery.lock_token);
            }
        }
    }

    /// Locks the first available message and counts the delivery.
    pub(super) fn take_first(&mut self, path: &EntityPath) -> Option<Delivery> {
        let (_, message) = self.queues.get_mut(path)?.available.pop_first()?;
        self.lock(path, message)
    }

    /// Locks the deferred message with this number and counts the delivery.
    pub(super) fn take_deferred(&mut self, path: &EntityPath, sequence: i64) -> Option<Delivery> {
        let message = self.queues.get_mut(path)?.deferred.remove(&sequence)?;
        self.lock(path, message)
    }

    fn lock(&mut self, path: &EntityPath, mut message: Message) -> Option<Delivery> {
        let sequence = message.sequence_number;
        message.delivery_count += 1;
        let lock_token = Uuid::new_v4();
        let locked_until = self.clock.now() + self.queues.get(path)?.options.lock_duration;
        self.timers.remove(&(message.expires_at(), Timer::Expiry(path.clone(), sequence)));
        let held = Held { path: path.clone(), message: message.clone(), until: locked_until };
        self.locks.insert(lock_token, held);
        self.set_timer(locked_until, Timer::Lock(path.clone(), sequence, lock_token));
        Some(Delivery { lock_token, locked_until, message, hold: self.clock.hold() })
    }

    /// Registers a waiting receiver; `path` exists.
    pub(super) fn wait(&mut self, path: &EntityPath) -> (u64, oneshot::Receiver<Delivery>) {
        let (sender, receiver) = oneshot::channel();
        self.last_receiver += 1;
        if let Some(queue) = self.queues.get_mut(path) {
            queue.waiting.push_back((self.last_receiver, sender));
        }
        (self.last_receiver, receiver)
    }

    pub(super) fn stop_waiting(&mut self, path: &EntityPath, receiver: u64) {
        if let Some(queue) = self.queues.get_mut(path) {
            queue.waiting.retain(|(number, _)| *number != receiver);
        }
    }

    // ---- settlement

    pub(super) fn held(&self, token: Uuid) -> Option<&Held> {
        self.locks.get(&token)
    }

    /// Ends a lock and returns its message, as (entity, message).
    pub(super) fn unlock(&mut self, token: Uuid) -> Option<(EntityPath, Message)> {
        let Held { path, message, until } = self.locks.remove(&token)?;
        self.timers.remove(&(until, Timer::Lock(path.clone(), message.sequence_number, token)));
        Some((path, message))
    }

    /// Renews the lock for a full lock duration from now.
    pub(super) fn renew(&mut self, token: Uuid) -> Option<DateTime<Utc>> {
        let held = self.locks.get_mut(&token)?;
        let until = self.clock.now() + self.queues.get(&held.path)?.options.lock_duration;
        let timer = Timer::Lock(held.path.clone(), held.message.sequence_number, token);
        let before = (held.until, timer.clone());
        held.until = until;
        self.timers.remove(&before);
        self.set_timer(until, timer);
        Some(until)
    }

    /// Counts a failed delivery: the message was abandoned, or its lock expired.
    pub(super) fn abandon(&mut self, token: Uuid) -> Option<()> {
        let (path, message) = self.unlock(token)?;
        let most = self.queues.get(&path)?.options.max_delivery_count;
        if message.delivery_count >= most && !path.dead_letter {
            let attempts = message.delivery_count;
            let description = format!("Message could not be consumed after {attempts} delivery attempts.");
            self.dead_letter(&path, message, "MaxDeliveryCountExceeded", &description);
        } else {
            self.make_available(&path, message);
        }
        Some(())
    }

    /// Changes properties of a locked message.
    pub(super) fn change(&mut self, token: Uuid, changes: Changes) {
        if let Some(held) = self.locks.get_mut(&token) {
            held.message.changes.extend(changes);
        }
    }

    /// Defers a locked message.
    pub(super) fn defer(&mut self, token: Uuid) -> Option<()> {
        let (path, mut message) = self.unlock(token)?;
        message.deferred = true;
        self.make_available(&path, message);
        Some(())
    }

    /// Releases a locked message as if it had never been delivered.
    pub(super) fn release(&mut self, token: Uuid) -> Option<()> {
        let (path, mut message) = self.unlock(token)?;
        message.delivery_count = message.delivery_count.saturating_sub(1);
        self.make_available(&path, message);
        Some(())
    }

    /// Moves a message to the dead letters of `path`.
    pub(super) fn dead_letter(&mut self, path: &EntityPath, mut message: Message, reason: &str, description: &str) {
        message.dead_letter = Some(DeadLetter { reason: reason.to_owned(), description: description.to_owned() });
        message.deferred = false;
        self.make_available(&path.dead_letters(), message);
    }

    fn expire(&mut self, path: &EntityPath, sequence: i64) {
        let Some(queue) = self.queues.get_mut(path) else { return };
        let message = queue.available.remove(&sequence).or_else(|| queue.deferred.remove(&sequence));
        if let Some(message) = message
            && queue.options.dead_letter_on_expiry
        {
            self.dead_letter(path, message, "TTLExpiredException", "The message expired and was dead lettered.");
        }
    }
}
