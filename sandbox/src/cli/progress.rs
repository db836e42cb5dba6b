//! One line on standard error that tells how far things are.

use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::audit::{self, Journey};
use sandbox::service_bus::Counts;
use sandbox::world::{TOPIC, World};

/// How far things are.
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
    pub(crate) fn take(world: &World, orders: usize, enabled: &[Journey]) -> Self {
        let ledger = world.shop().ledger();
        Self {
            sold: ledger.iter().filter(|entry| entry.order.is_some()).count(),
            orders,
            events: ledger.len(),
            published: world.broker().enqueued(TOPIC).unwrap_or_default(),
            started: world.dataverse().started().len(),
            due: audit::due(&ledger, enabled),
            bus: world.counts(),
        }
    }

    /// Messages that somebody still has to do with.
    pub(crate) fn in_flight(&self) -> usize {
        self.bus.active + self.bus.locked + self.bus.scheduled
    }

    /// Whether nothing is left to be done, for better or worse.
    pub(crate) fn is_complete(&self) -> bool {
        self.sold >= self.orders && self.in_flight() == 0 && self.started + self.bus.dead_lettered >= self.due
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sold, orders, events, published, started, due, bus } = self;
        let Counts { active, locked, scheduled, dead_lettered } = bus;
        write!(
            f,
            "{sold}/{orders} sold, {events} events, {published} published, {started}/{due} journeys started; \
             queue: {active} waiting, {locked} at work, {scheduled} for later, {dead_lettered} dead"
        )
    }
}

/// The line: refreshed where it stands on a terminal, a new one now and then elsewhere.
pub(crate) struct Progress {
    terminal: bool,
    shown: Option<(DateTime<Utc>, Tally)>,
}

impl Progress {
    /// How often to call [`Progress::show`].
    pub(crate) const EVERY: Duration = Duration::from_millis(200);
    const ELSEWHERE: TimeDelta = TimeDelta::seconds(4);

    pub(crate) fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: None }
    }

    pub(crate) fn show(&mut self, now: DateTime<Utc>, tally: &Tally) {
        let due = self.shown.is_none_or(|(at, last)| last != *tally && (self.terminal || now - at >= Self::ELSEWHERE));
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
            eprintln!();
        }
    }

    fn print(&mut self, now: DateTime<Utc>, tally: &Tally) {
        self.shown = Some((now, *tally));
        let (before, after) = if self.terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
        let mut stderr = std::io::stderr();
        // Nobody may be looking.
        let _ = write!(stderr, "{before}{tally}{after}");
        let _ = stderr.flush();
    }
}
