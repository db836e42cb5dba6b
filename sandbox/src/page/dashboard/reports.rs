//! Retries, failures and dead letters in the log of the page. Many at the same time are one line.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::Dashboard;
use super::parts::Tone;

/// The shortest time between two reports.
const PAUSE: TimeDelta = TimeDelta::seconds(2);

/// What has happened since the last report.
#[derive(Default)]
pub(super) struct Unreported {
    last: Option<DateTime<Utc>>,
    /// The number of events by status and reason.
    events: BTreeMap<(Kind, String), usize>,
    /// The number of dead letters in the last report.
    dead_letters: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Retrying,
    Failed,
}

impl Unreported {
    /// Counts an event that has a new status.
    pub(super) fn add(&mut self, status: &str, reason: Option<&str>) {
        let kind = match status {
            "retrying" => Kind::Retrying,
            "failed" => Kind::Failed,
            _ => return,
        };
        *self.events.entry((kind, reason.unwrap_or_default().to_owned())).or_default() += 1;
    }
}

impl Dashboard {
    /// Adds what has happened since the last report to the log, if there is something and it is time.
    pub(in crate::page) fn report(&mut self, now: DateTime<Utc>) {
        let dead_letters = self.polled.bus.dead_lettered;
        let has_news = !self.unreported.events.is_empty() || dead_letters != self.unreported.dead_letters;
        if !has_news || self.unreported.last.is_some_and(|last| now < last + PAUSE) {
            return;
        }
        self.unreported.last = Some(now);
        for ((kind, reason), number) in std::mem::take(&mut self.unreported.events) {
            let (tone, what) = match kind {
                Kind::Retrying => (Tone::Plain, if number == 1 { "waits for a retry" } else { "wait for a retry" }),
                Kind::Failed => (Tone::Bad, if number == 1 { "has failed" } else { "have failed" }),
            };
            self.add_notice_about(now, tone, format!("{} {what}", plural(number, "event")), Some(reason));
        }
        let before = std::mem::replace(&mut self.unreported.dead_letters, dead_letters);
        if dead_letters > before {
            self.add_notice(now, Tone::Bad, format!("{} in the dead-letter queue.", plural(dead_letters, "message")));
        }
    }
}

/// "1 event", "2 events".
pub(in crate::page) fn plural(number: usize, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}
