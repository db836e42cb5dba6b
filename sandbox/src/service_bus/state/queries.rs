//! Queries about the messages of an entity, and removing all of them.

use uuid::Uuid;

use super::{State, Timer};
use crate::service_bus::entity::EntityPath;
use crate::service_bus::message::Message;

impl State {
    pub(in crate::service_bus) fn locked<'a>(
        &'a self,
        path: &'a EntityPath,
    ) -> impl Iterator<Item = (Uuid, &'a Message)> {
        self.locks.iter().filter(move |(_, held)| held.path == *path).map(|(token, held)| (*token, &held.message))
    }

    pub(in crate::service_bus) fn available(&self, path: &EntityPath) -> usize {
        self.queues.get(path).map_or(0, |queue| queue.available.len() + queue.deferred.len())
    }

    pub(in crate::service_bus) fn scheduled(&self, path: &EntityPath) -> usize {
        self.topics.get(&path.topic).map_or(0, |topic| topic.scheduled.len())
    }

    /// All messages of the entity in order, locked or not.
    pub(in crate::service_bus) fn messages<'a>(&'a self, path: &'a EntityPath) -> Vec<&'a Message> {
        let queue = self.queues.get(path).into_iter();
        let available = queue.flat_map(|queue| queue.available.values().chain(queue.deferred.values()));
        let mut all: Vec<_> = available.chain(self.locked(path).map(|(_, message)| message)).collect();
        all.sort_by_key(|message| message.sequence_number);
        all
    }

    /// Removes all messages of the entity. Their locks are lost.
    pub(in crate::service_bus) fn purge(&mut self, path: &EntityPath) -> usize {
        let tokens: Vec<_> = self.locked(path).map(|(token, _)| token).collect();
        for token in &tokens {
            self.unlock(*token);
        }
        let Some(queue) = self.queues.get_mut(path) else { return 0 };
        let mut available = std::mem::take(&mut queue.available);
        available.append(&mut queue.deferred);
        for message in available.values() {
            self.timers.remove(&(message.expires_at(), Timer::Expiry(path.clone(), message.sequence_number)));
        }
        tokens.len() + available.len()
    }
}
