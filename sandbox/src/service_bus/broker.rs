//! The broker's handle: the operations of senders and receivers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chrono::{DateTime, Utc};
use futures::future::Either;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::entity::{Counts, CreateError, EntityPath, SubscriptionOptions, TopicOptions, fold};
use super::message::{Changes, Message, NewMessage};
use super::state::State;
use crate::clock::{Clock, TimeHold};

/// There is no such topic or subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the messaging entity could not be found")]
pub struct EntityNotFound;

/// Why a send was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such topic.
    #[error("the messaging entity could not be found")]
    EntityNotFound,
    /// A message or the whole batch is larger than the topic allows; both sizes in bytes.
    #[error("the message or batch has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// The limit of the topic.
        limit: usize,
        /// The size that was sent.
        size: usize,
    },
    /// A property of a message is not accepted.
    #[error("{0}")]
    Invalid(&'static str),
}

/// Why a message could not be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettleError {
    /// The lock expired, or the message was already settled.
    #[error("the lock is not held: it expired, or the message was settled")]
    LockLost,
    /// Dead letters cannot be dead-lettered.
    #[error("the message is already a dead letter")]
    AlreadyDead,
}

/// A message that a receiver has locked.
#[derive(Debug)]
pub struct Delivery {
    /// The token for settling the message.
    pub lock_token: Uuid,
    /// The end of the lock, unless it is renewed.
    pub locked_until: DateTime<Utc>,
    /// The message. Its delivery count includes this delivery.
    pub message: Message,
    /// Holds simulated time from the delivery on, until the consumer drops it.
    pub hold: TimeHold,
}

/// A handle to the topics and subscriptions of one namespace. Clones share them.
///
/// Must be created inside a Tokio runtime, on which locks expire and scheduled messages are enqueued.
#[derive(Clone)]
pub struct Broker {
    pub(super) inner: Arc<Inner>,
}

/// The rights of callers. All rights are granted unless some were removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The right to send.
    pub send: bool,
    /// The right to receive and to settle.
    pub listen: bool,
}

pub(super) struct Inner {
    rights: Mutex<Rights>,
    clock: Clock,
    state: Mutex<State>,
    wakeup: Arc<Notify>,
}

impl Inner {
    /// The state, after everything that is due was processed.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.run_due();
        state
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.wakeup.notify_one();
    }
}

impl Broker {
    /// A broker without topics.
    pub fn new(clock: Clock) -> Self {
        let wakeup = Arc::new(Notify::new());
        let state = Mutex::new(State::new(clock.clone(), wakeup.clone()));
        let inner = Arc::new(Inner {
            rights: Mutex::new(Rights { send: true, listen: true }),
            clock: clock.clone(),
            state,
            wakeup: wakeup.clone(),
        });
        tokio::spawn(run_timers(Arc::downgrade(&inner), clock, wakeup));
        Self { inner }
    }

    /// The clock for locks and schedules.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The rights of callers.
    pub fn rights(&self) -> Rights {
        *self.inner.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the rights of callers.
    pub fn set_rights(&self, rights: Rights) {
        *self.inner.rights.lock().unwrap_or_else(PoisonError::into_inner) = rights;
    }

    /// Adds a topic.
    pub fn create_topic(&self, options: TopicOptions) -> Result<(), CreateError> {
        options.check()?;
        let key = fold(&options.name);
        let mut state = self.inner.state();
        if state.topics.contains_key(&key) {
            return Err(CreateError::Exists);
        }
        state.add_topic(key, options);
        Ok(())
    }

    /// Adds a subscription. It receives the messages that are sent from now on.
    pub fn create_subscription(&self, topic: &str, options: SubscriptionOptions) -> Result<(), CreateError> {
        options.check()?;
        let mut state = self.inner.state();
        let Some(name) = state.topics.get(&fold(topic)).map(|topic| topic.options.name.clone()) else {
            return Err(CreateError::NoTopic);
        };
        let path = EntityPath::new(name, options.name.clone());
        if state.has(&path.folded()) {
            return Err(CreateError::Exists);
        }
        state.add_subscription(&path, options);
        Ok(())
    }

    /// The largest message or batch of the topic, in bytes.
    pub fn max_message_bytes(&self, topic: &str) -> Result<usize, EntityNotFound> {
        self.inner.state().topics.get(&fold(topic)).map(|topic| topic.options.max_message_bytes).ok_or(EntityNotFound)
    }

    /// Accepts all messages in this order, or none. A duplicate is accepted and discarded.
    pub fn send(&self, topic: &str, messages: Vec<NewMessage>) -> Result<(), SendError> {
        self.schedule(topic, messages).map(drop)
    }

    /// The same, and returns the messages' sequence numbers, with which scheduled ones can be cancelled. A scheduled
    /// message gets another sequence number when it is enqueued.
    pub fn schedule(&self, topic: &str, messages: Vec<NewMessage>) -> Result<Vec<i64>, SendError> {
        let key = fold(topic);
        let mut state = self.inner.state();
        let limit = state.topics.get(&key).ok_or(SendError::EntityNotFound)?.options.max_message_bytes;
        if let Some(flaw) = messages.iter().find_map(NewMessage::flaw) {
            return Err(SendError::Invalid(flaw));
        }
        let size = messages.iter().map(NewMessage::size).sum();
        if size > limit {
            return Err(SendError::TooLarge { limit, size });
        }
        Ok(messages.into_iter().filter_map(|message| state.accept(&key, message)).collect())
    }

    /// Cancels a scheduled message. Returns `false` if there is none with this number.
    pub fn cancel_scheduled(&self, topic: &str, number: i64) -> Result<bool, EntityNotFound> {
        let mut state = self.inner.state();
        let topic = state.topics.get_mut(&fold(topic)).ok_or(EntityNotFound)?;
        Ok(topic.scheduled.remove(&number).is_some())
    }

    /// The next message, now or when there is one. Waiting receivers are served in order of arrival.
    pub async fn receive(&self, entity: &EntityPath) -> Result<Delivery, EntityNotFound> {
        let mut waiting = match self.receive_or_wait(entity)? {
            Either::Left(delivery) => return Ok(delivery),
            Either::Right(waiting) => waiting,
        };
        (&mut waiting.answer).await.map_err(|_| EntityNotFound)
    }

    fn receive_or_wait(&self, entity: &EntityPath) -> Result<Either<Delivery, Waiting<'_>>, EntityNotFound> {
        let path = entity.folded();
        let mut state = self.inner.state();
        if !state.has(&path) {
            return Err(EntityNotFound);
        }
        if let Some(delivery) = state.take_first(&path) {
            return Ok(Either::Left(delivery));
        }
        let (number, answer) = state.wait(&path);
        Ok(Either::Right(Waiting { broker: self, path, number, answer }))
    }

    /// The next message, if there is one now.
    pub fn try_receive(&self, entity: &EntityPath) -> Result<Option<Delivery>, EntityNotFound> {
        let path = entity.folded();
        let mut state = self.inner.state();
        if state.has(&path) { Ok(state.take_first(&path)) } else { Err(EntityNotFound) }
    }

    /// Completes the message: it is removed.
    pub fn complete(&self, lock: Uuid) -> Result<(), SettleError> {
        self.inner.state().unlock(lock).map(drop).ok_or(SettleError::LockLost)
    }

    /// Locks a deferred message and counts the delivery. `None` if there is none with this number.
    pub fn receive_deferred(&self, entity: &EntityPath, sequence: i64) -> Result<Option<Delivery>, EntityNotFound> {
        let path = entity.folded();
        let mut state = self.inner.state();
        if state.has(&path) { Ok(state.take_deferred(&path, sequence)) } else { Err(EntityNotFound) }
    }

    /// Changes properties of a locked message for its next receiver.
    pub fn change(&self, lock: Uuid, changes: Changes) -> Result<(), SettleError> {
        let mut state = self.inner.state();
        state.held(lock).ok_or(SettleError::LockLost)?;
        state.change(lock, changes);
        Ok(())
    }

    /// Defers the message: from now on only [`Broker::receive_deferred`] delivers it.
    pub fn defer(&self, lock: Uuid) -> Result<(), SettleError> {
        self.inner.state().defer(lock).ok_or(SettleError::LockLost)
    }

    /// Releases a message that its receiver did not process: it is available again at once, and the delivery is not
    /// counted.
    pub fn release(&self, lock: Uuid) -> Result<(), SettleError> {
        self.inner.state().release(lock).ok_or(SettleError::LockLost)
    }

    /// Abandons the message: it is available again at once. After the last allowed delivery it is dead-lettered.
    pub fn abandon(&self, lock: Uuid) -> Result<(), SettleError> {
        self.inner.state().abandon(lock).ok_or(SettleError::LockLost)
    }

    /// Moves the message to the dead letters.
    pub fn dead_letter(&self, lock: Uuid, reason: &str, description: &str) -> Result<(), SettleError> {
        let mut state = self.inner.state();
        let is_dead = state.held(lock).ok_or(SettleError::LockLost)?.is_dead();
        if is_dead {
            return Err(SettleError::AlreadyDead);
        }
        let (path, message) = state.unlock(lock).ok_or(SettleError::LockLost)?;
        state.dead_letter(&path, message, reason, description);
        Ok(())
    }

    /// Renews the lock for another lock duration from now. Returns its end.
    pub fn renew(&self, lock: Uuid) -> Result<DateTime<Utc>, SettleError> {
        self.inner.state().renew(lock).ok_or(SettleError::LockLost)
    }

    /// Whether `lock` holds the message with this id or sequence number, received from `entity`.
    pub fn holds(&self, lock: Uuid, entity: &EntityPath, message: &str) -> bool {
        self.inner.state().held(lock).is_some_and(|held| held.is(&entity.folded(), message))
    }

    /// Whether `lock` holds a message that was received from `entity`.
    pub fn holds_any(&self, lock: Uuid, entity: &EntityPath) -> bool {
        self.inner.state().held(lock).is_some_and(|held| held.is_of(&entity.folded()))
    }

    /// Whether the subscription (or its dead letters) exists.
    pub fn exists(&self, entity: &EntityPath) -> bool {
        self.inner.state().has(&entity.folded())
    }

    /// The message counts.
    pub fn counts(&self, entity: &EntityPath) -> Result<Counts, EntityNotFound> {
        let (path, state) = self.existing(entity)?;
        let dead = path.dead_letters();
        Ok(Counts {
            active: state.available(&path),
            locked: state.locked(&path).count(),
            scheduled: if path.dead_letter { 0 } else { state.scheduled(&path) },
            dead_lettered: state.available(&dead) + state.locked(&dead).count(),
        })
    }

    /// The first `max` messages, locked ones included, without receiving them.
    pub fn peek(&self, entity: &EntityPath, max: usize) -> Result<Vec<Message>, EntityNotFound> {
        let (path, state) = self.existing(entity)?;
        Ok(state.messages(&path).into_iter().take(max).cloned().collect())
    }

    /// The messages that are wanted, locked ones included, without receiving them.
    pub fn find(&self, entity: &EntityPath, wanted: impl Fn(&Message) -> bool) -> Result<Vec<Message>, EntityNotFound> {
        let (path, state) = self.existing(entity)?;
        Ok(state.messages(&path).into_iter().filter(|message| wanted(message)).cloned().collect())
    }

    fn existing(&self, entity: &EntityPath) -> Result<(EntityPath, MutexGuard<'_, State>), EntityNotFound> {
        let (path, state) = (entity.folded(), self.inner.state());
        if state.has(&path) { Ok((path, state)) } else { Err(EntityNotFound) }
    }

    /// All dead letters of a subscription.
    pub fn dead_letters(&self, topic: &str, subscription: &str) -> Result<Vec<Message>, EntityNotFound> {
        self.peek(&EntityPath::new(topic, subscription).dead_letters(), usize::MAX)
    }

    /// Fault injection: the lock expires now.
    pub fn expire_lock(&self, lock: Uuid) -> Result<(), SettleError> {
        self.abandon(lock)
    }

    /// Fault injection: one of the locks on this entity's messages expires now, selected by `choice`. Returns whether
    /// there was one.
    pub fn expire_some_lock(&self, entity: &EntityPath, choice: u64) -> bool {
        let path = entity.folded();
        let mut state = self.inner.state();
        let mut locks: Vec<_> = state.locked(&path).map(|(token, message)| (message.sequence_number, token)).collect();
        locks.sort_unstable();
        let place = usize::try_from(choice % (locks.len().max(1) as u64)).unwrap_or_default();
        locks.get(place).and_then(|(_, token)| state.abandon(*token)).is_some()
    }

    /// Fault injection: the next sent message is enqueued twice, as after an unintended repetition by the sender.
    /// Duplicate detection does not see the second copy.
    pub fn duplicate_next_send(&self) {
        self.inner.state().doubled += 1;
    }

    /// Removes all messages of the entity, including locked ones, and returns their number. Scheduled messages belong
    /// to the topic and remain.
    pub fn purge(&self, entity: &EntityPath) -> Result<usize, EntityNotFound> {
        let (path, mut state) = self.existing(entity)?;
        Ok(state.purge(&path))
    }
}

/// A waiting receiver. If it is dropped, it takes no message with it.
struct Waiting<'a> {
    broker: &'a Broker,
    path: EntityPath,
    number: u64,
    answer: oneshot::Receiver<Delivery>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.broker.inner.state();
        state.stop_waiting(&self.path, self.number);
        if let Ok(delivery) = self.answer.try_recv() {
            state.release(delivery.lock_token);
        }
    }
}

/// Processes timers for as long as the broker exists.
async fn run_timers(broker: Weak<Inner>, clock: Clock, wakeup: Arc<Notify>) {
    let mut woken: Option<TimeHold> = None;
    loop {
        let Some((wake, wakeup_hold)) = broker.upgrade().map(|inner| inner.state().next_wake()) else { return };
        let Some(wake) = wake else {
            drop((woken.take(), wakeup_hold));
            wakeup.notified().await;
            continue;
        };
        let mut sleep = std::pin::pin!(clock.sleep_until(wake));
        // The first poll registers the sleeper. Simulated time may only continue after that.
        let slept = futures::poll!(sleep.as_mut());
        drop((woken.take(), wakeup_hold));
        woken = match slept {
            std::task::Poll::Ready(hold) => Some(hold),
            std::task::Poll::Pending => tokio::select! {
                hold = sleep => Some(hold),
                () = wakeup.notified() => None,
            },
        };
    }
}
