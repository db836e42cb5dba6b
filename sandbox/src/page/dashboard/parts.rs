//! The parts of the dashboard besides the events.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use crate::audit::Journey;
use crate::dataverse::{Contact, StartedJourney};
use crate::network::CallEvent;
use crate::page::fault_controls::Availability;
use crate::service_bus::Counts;
use crate::shop::{Channel, ChannelKind};

/// The calls of one dependency, and its availability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DependencyCalls {
    pub(super) calls: u64,
    /// Calls with status 429 or 5xx, or without an answer.
    pub(super) failures: u64,
    pub(super) last_failure: Option<u16>,
    pub(super) last_took_ms: u64,
    pub(super) availability: Availability,
    pub(super) reachable: bool,
}

/// Values that are polled, because their changes are not reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::page) struct PolledCounts {
    pub(in crate::page) bus: Counts,
    /// The first publication of each event.
    pub(in crate::page) published: u64,
    /// Further publications.
    pub(in crate::page) republished: u64,
    /// Messages that were scheduled for a later time.
    pub(in crate::page) rescheduled: u64,
    pub(in crate::page) contacts: usize,
    pub(in crate::page) initial_contacts: usize,
    pub(in crate::page) request_units: f64,
    /// Whether a bulk order is in progress.
    pub(in crate::page) bulk_running: bool,
}

/// A line in the log of the page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Notice {
    #[serde(skip)]
    pub(super) revision: u64,
    pub(super) number: u64,
    pub(super) at: i64,
    pub(super) tone: Tone,
    pub(super) text: String,
    /// The code of a record's reason, which the page adds as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// Whether a notice is good or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::page) enum Tone {
    Good,
    Plain,
    Bad,
}

/// A message that a started journey would send.
pub(super) struct Mail {
    pub(super) revision: u64,
    pub(super) event: Option<usize>,
    /// The channel of the event.
    pub(super) channel: Option<&'static Channel>,
    pub(super) journey: Option<Journey>,
    pub(super) call: Arc<StartedJourney>,
    pub(super) contact: Option<Contact>,
}

impl DependencyCalls {
    pub(super) fn add(&mut self, call: &CallEvent) {
        self.calls += 1;
        self.last_took_ms = u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX);
        if call.status.is_none_or(|status| status.as_u16() == 429 || status.is_server_error()) {
            self.failures += 1;
            self.last_failure = call.status.map(|status| status.as_u16());
        }
    }
}

impl Mail {
    /// The JSON for the browser.
    pub(super) fn json(&self) -> Value {
        let contact = self.contact.as_ref();
        json!({
            "number": self.call.number,
            "event": self.event,
            "online": self.channel.map(|channel| channel.kind == ChannelKind::Online),
            "currency": self.channel.map(|channel| channel.currency),
            "journey": self.journey,
            "at": self.call.at.timestamp_millis(),
            "name": contact.and_then(|contact| contact.full_name.as_deref()),
            "email": contact.and_then(|contact| contact.email.as_deref()),
            "phone": contact.and_then(|contact| contact.mobile_phone.as_deref().or(contact.telephone.as_deref())),
            "parameters": self.call.parameters(),
        })
    }
}
