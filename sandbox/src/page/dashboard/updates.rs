//! Adds what happened in the environment to the dashboard.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::parts::{Mail, Notice, PolledCounts, Tone};
use super::{Dashboard, MAILS, NOTICES, key};
use crate::audit::Journey;
use crate::dataverse::StartedJourney;
use crate::environment::Environment;
use crate::host::HostEvent;
use crate::network::{CallEvent, Dependency};
use crate::page::audit_status::AuditStatus;
use crate::page::event_timeline::{EventTimeline, Retry, StepKind};
use crate::page::fault_controls::Availability;
use crate::page::invocations::HostUpdate;
use crate::service_bus::ScheduledMessage;
use crate::shop::LedgerEntry;

impl Dashboard {
    /// Adds new entries of the shop's ledger.
    pub(in crate::page) fn add_entries(&mut self, entries: Vec<Arc<LedgerEntry>>, environment: &Environment) {
        for entry in entries {
            let revision = self.revise();
            let (number, event) = (self.events.len() + 1, &entry.event);
            let key = (event.transaction_id.clone(), event.event_type.clone(), event.date_time.to_utc());
            let customer = entry.account.as_deref().and_then(|account| environment.shop().customer(account));
            let timeline = EventTimeline::new(number, entry, customer, self.enabled, revision);
            self.by_key.insert(key, number - 1);
            self.by_occasion.extend(timeline.due.iter().map(|occasion| (occasion.clone(), number - 1)));
            self.events.push(timeline);
        }
    }

    /// Updates a record to its current state. Returns `false` if its event is not known yet.
    pub(in crate::page) fn update_record(&mut self, at: DateTime<Utc>, item: &Value) -> bool {
        let Some(key) = key(item) else { return true };
        let Some(index) = self.by_key.get(&key).copied() else { return false };
        let revision = self.version + 1;
        if let Some(id) = item["id"].as_str() {
            self.by_record.insert(id.to_owned(), index);
        }
        let event = &mut self.events[index];
        let before = event.status().map(str::to_owned);
        if event.update_record(at, item) {
            event.revision = revision;
            self.changed = true;
            self.record_changes += 1;
            event.record_change = self.record_changes;
            if let Some(count) = before.as_ref().and_then(|before| self.records.get_mut(before)) {
                *count -= 1;
            }
            let after = event.status().unwrap_or_default().to_owned();
            if before.as_deref() != Some(&after) {
                self.unreported.add(&after, item["reason"]["code"].as_str());
            }
            *self.records.entry(after).or_default() += 1;
        }
        true
    }

    /// Adds trigger calls.
    pub(in crate::page) fn add_trigger_calls(&mut self, calls: Vec<Arc<StartedJourney>>, environment: &Environment) {
        for call in calls {
            let revision = self.revise();
            self.last_call = call.number;
            let journey = Journey::of_trigger(&call.trigger);
            let index = Journey::occasion_of(&call).and_then(|occasion| self.by_occasion.get(&occasion).copied());
            if let Some(journey) = journey {
                *self.started.entry(journey).or_default() += 1;
            }
            if let (Some(journey), Some(event)) = (journey, index.and_then(|index| self.events.get_mut(index))) {
                event.revision = revision;
                if let Some(latency) = event.add_start(journey, call.clone()) {
                    self.latencies.add(call.at, latency, revision);
                }
            }
            let contact = call.contact.and_then(|id| environment.dataverse().contact(id));
            let channel = index.and_then(|index| self.events.get(index)?.channel());
            self.mails.push_back(Mail {
                revision,
                event: index.map(|index| index + 1),
                channel,
                journey,
                call,
                contact,
            });
            if self.mails.len() > MAILS {
                self.mails.pop_front();
            }
        }
    }

    /// Adds an event of a host.
    pub(in crate::page) fn add_host_event(&mut self, instance: usize, event: HostEvent, at: DateTime<Utc>) {
        let revision = self.revise();
        match self.invocations.update(instance, event, at) {
            HostUpdate::CountsOnly => {}
            HostUpdate::Delivered { message, delivery_count } => {
                if let Some(event) = self.event_of_message(&message) {
                    (event.revision, event.deliveries, event.retry) = (revision, event.deliveries + 1, None);
                    event.add(at, StepKind::Delivered { message_id: message, delivery_count });
                }
            }
            HostUpdate::Settled { message, outcome, detail, took_ms } => {
                if let Some(event) = self.event_of_message(&message) {
                    event.revision = revision;
                    event.add(at, StepKind::Settled { outcome, detail, took_ms });
                }
            }
            HostUpdate::HandlerExited(cause) => {
                self.handler_exits.push(at);
                self.add_notice(at, Tone::Bad, format!("The handler stopped: {cause}."));
            }
            HostUpdate::HandlerUp => self.add_notice(at, Tone::Good, "A new handler is running.".to_owned()),
            HostUpdate::HostStopped => {
                self.add_notice(at, Tone::Bad, "The host no longer restarts the handler.".to_owned());
            }
        }
    }

    /// Adds rescheduled messages: the next attempts of their events.
    pub(in crate::page) fn add_scheduled(&mut self, messages: Vec<ScheduledMessage>) {
        for ScheduledMessage { number, message_id, due, attempts } in messages {
            self.last_scheduled = number;
            let revision = self.revise();
            if let Some(event) = self.event_of_message(&message_id) {
                event.revision = revision;
                event.retry = Some(Retry { at: due, attempt: attempts.map(|attempts| attempts + 1) });
            }
        }
    }

    /// Adds a call of a dependency.
    pub(in crate::page) fn add_call(&mut self, call: CallEvent) {
        self.revise();
        self.dependencies.entry(call.dependency).or_default().add(&call);
    }

    pub(in crate::page) fn set_polled(&mut self, polled: PolledCounts) {
        if self.polled != polled {
            self.polled = polled;
            self.revise();
        }
    }

    pub(in crate::page) fn set_availability(&mut self, dependency: Dependency, setting: Availability, reachable: bool) {
        let calls = self.dependencies.entry(dependency).or_default();
        if (calls.availability, calls.reachable) != (setting, reachable) {
            (calls.availability, calls.reachable) = (setting, reachable);
            self.revise();
        }
    }

    pub(in crate::page) fn set_trigger_state(&mut self, journey: Journey, state: &'static str) {
        self.triggers.insert(journey, state);
        self.revise();
    }

    pub(in crate::page) fn set_audit(&mut self, status: AuditStatus) {
        if self.audit.1 != status {
            self.audit = (self.revise(), status);
        }
    }

    /// Adds a request that an operator made for an event.
    pub(in crate::page) fn add_request(&mut self, number: usize, at: DateTime<Utc>, action: &'static str, status: u16) {
        let revision = self.revise();
        if let Some(event) = number.checked_sub(1).and_then(|index| self.events.get_mut(index)) {
            event.revision = revision;
            event.add(at, StepKind::Requested { action, status });
        }
    }

    pub(in crate::page) fn add_notice(&mut self, at: DateTime<Utc>, tone: Tone, text: String) {
        self.add_notice_about(at, tone, text, None);
    }

    pub(super) fn add_notice_about(&mut self, at: DateTime<Utc>, tone: Tone, text: String, reason: Option<String>) {
        let revision = self.revise();
        let number = self.notices.back().map_or(1, |last| last.number + 1);
        self.notices.push_back(Notice { revision, number, at: at.timestamp_millis(), tone, text, reason });
        if self.notices.len() > NOTICES {
            self.notices.pop_front();
        }
    }
}
