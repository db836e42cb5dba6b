//! The progress line on standard error.

use std::collections::HashMap;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::audit::{self, Exceptions, Journey, Occasion};
use sandbox::environment::Environment;
use sandbox::service_bus::Counts;
use sandbox::shop::LedgerEntry;

use super::output::note;

/// The progress of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sold: usize,
    pub(crate) orders: usize,
    pub(crate) events: usize,
    pub(crate) published: u64,
    pub(crate) started: usize,
    pub(crate) due: usize,
    pub(crate) bus: Counts,
}

impl Tally {
    /// Messages that are not yet processed.
    fn in_flight(&self) -> usize {
        self.bus.active + self.bus.locked + self.bus.scheduled
    }

    /// Whether every event has a final state.
    pub(crate) fn is_complete(&self) -> bool {
        self.sold >= self.orders && self.in_flight() == 0 && self.started + self.bus.dead_lettered >= self.due
    }
}

/// Updates the tally with what is new, so that a long run is not counted from the beginning each time.
pub(crate) struct Counter {
    enabled: &'static [Journey],
    calls: u64,
    tally: Tally,
    journeys: HashMap<Occasion, Seen>,
}

/// What is known of a journey.
#[derive(Default)]
struct Seen {
    /// The event, if its journey is expected.
    entry: Option<Arc<LedgerEntry>>,
    started: bool,
}

impl Counter {
    pub(crate) fn new(orders: usize, enabled: &'static [Journey]) -> Self {
        let tally = Tally { orders, ..Tally::default() };
        Self { enabled, calls: 0, tally, journeys: HashMap::new() }
    }

    pub(crate) fn update(&mut self, environment: &Environment) -> Tally {
        for entry in environment.shop().ledger_after(self.tally.events) {
            self.tally.events += 1;
            self.tally.sold += usize::from(entry.order.is_some());
            if entry.order.is_some() {
                self.journeys.remove(&audit::reminder_of(&entry));
            }
            for occasion in audit::due(&entry, self.enabled) {
                self.journeys.entry(occasion).or_default().entry = Some(entry.clone());
            }
        }
        for started in environment.dataverse().started_after(self.calls) {
            self.calls = started.number;
            if let Some(occasion) = Journey::occasion_of(&started) {
                self.journeys.entry(occasion).or_default().started = true;
            }
        }
        self.count(environment);
        self.tally.published = environment.sent().published;
        self.tally.bus = environment.counts();
        self.tally
    }

    /// Counts the expected journeys as the audit does. Repeated and wrong starts do not count, because others may still be
    /// missing.
    fn count(&mut self, environment: &Environment) {
        let dataverse = environment.dataverse();
        let contacts = if dataverse.has_inactive_contacts() { dataverse.contacts() } else { Vec::new() };
        let requests = environment.requests().all();
        let exceptions = Exceptions::new(&contacts, &requests);
        (self.tally.due, self.tally.started) = (0, 0);
        for Seen { entry, started } in self.journeys.values() {
            let Some(entry) = entry else { continue };
            self.tally.started += usize::from(*started);
            self.tally.due += usize::from(*started || !exceptions.contain(entry));
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sold, orders, events, published, started, due, bus } = self;
        let Counts { active, locked, scheduled, dead_lettered } = bus;
        write!(f, "{sold}/{orders} sold, {published}/{events} published, {started}/{due} journeys")?;
        for (number, what) in [(active + locked, "queued"), (*scheduled, "scheduled"), (*dead_lettered, "dead")] {
            if number > 0 {
                write!(f, ", {number} {what}")?;
            }
        }
        Ok(())
    }
}

/// Clears the line. Text beyond the last column is cut, because the next update would clear only the last of two lines.
const LINE_START: &str = "\r\x1b[2K\x1b[?7l";
/// Lets later output wrap again.
const LINE_END: &str = "\x1b[?7h";

/// The progress line. On a terminal it is updated in place; elsewhere a new line is printed every few seconds.
pub(crate) struct Progress {
    terminal: bool,
    shown: Option<(DateTime<Utc>, Tally)>,
}

impl Progress {
    /// The interval for [`Progress::show`].
    pub(crate) const INTERVAL: Duration = Duration::from_millis(200);
    const WITHOUT_TERMINAL: TimeDelta = TimeDelta::seconds(4);

    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: None }
    }

    pub(crate) fn show(&mut self, now: DateTime<Utc>, tally: &Tally) {
        let due =
            self.shown.is_none_or(|(at, last)| last != *tally && (self.terminal || now - at >= Self::WITHOUT_TERMINAL));
        if due {
            self.print(now, tally);
        }
    }

    /// Shows the last state and ends the line.
    pub(crate) fn finish(&mut self, now: DateTime<Utc>, tally: &Tally) {
        if self.terminal || self.shown.is_none_or(|(_, last)| last != *tally) {
            self.print(now, tally);
        }
        if self.terminal {
            note("");
        }
    }

    fn print(&mut self, now: DateTime<Utc>, tally: &Tally) {
        self.shown = Some((now, *tally));
        let (before, after) = if self.terminal { (LINE_START, LINE_END) } else { ("", "\n") };
        let mut stderr = std::io::stderr();
        // Standard error may be closed.
        let _ = write!(stderr, "{before}{tally}{after}");
        let _ = stderr.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_of_a_usual_day_fits_into_eighty_columns() {
        let bus = Counts { active: 10, locked: 2, scheduled: 13, dead_lettered: 0 };
        let tally = Tally { sold: 200, orders: 200, events: 412, published: 412, started: 390, due: 400, bus };
        let line = tally.to_string();
        assert_eq!(line, "200/200 sold, 412/412 published, 390/400 journeys, 12 queued, 13 scheduled");
        assert!(line.len() < 80);
    }
}
