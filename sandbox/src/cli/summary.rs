//! What came of the day, in words and two tables.

use std::fmt;

use chrono::TimeDelta;
use sandbox::audit::{Audit, Finding, JourneyAudit, Latency};
use sandbox::network::Dependency;
use sandbox::service_bus::Counts;

use super::outcome::Outcome;

/// So many findings of a kind are listed.
const LISTED: usize = 8;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.story(f)?;
        journeys(f, &self.audit.journeys)?;
        self.dependencies(f)?;
        verdict(f, self)
    }
}

impl Outcome {
    fn story(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { active, locked, scheduled, dead_lettered } = self.audit.left_over;
        let shopping = seconds(self.times.sold_out - self.times.began);
        let rest = seconds(self.times.settled - self.times.sold_out);
        let adds = self.audit.events - self.orders.min(self.audit.events);
        writeln!(
            f,
            "The shop sold {} orders in {shopping}, after things were put into carts {adds} times.",
            self.orders
        )?;
        writeln!(f, "{} buyers left neither account nor address: nobody can write to them.", self.unreachable)?;
        writeln!(
            f,
            "The handler published {} messages; {} are waiting, {dead_lettered} are dead letters.",
            self.published,
            active + locked + scheduled
        )?;
        writeln!(f, "Dataverse knew {} contacts, and has {} now.", self.contacts_before, self.contacts)?;
        writeln!(f, "The last thing happened {rest} after the shop had closed.\n")
    }

    fn dependencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:20} {:>8} {:>10}", "Dependency", "calls", "per event")?;
        let events = self.audit.events.max(1) as f64;
        for dependency in Dependency::ALL {
            let calls = self.calls.get(&dependency).copied().unwrap_or_default();
            let note = if dependency == Dependency::Cosmos {
                format!("   {:.1} request units per event", self.request_units / events)
            } else {
                String::new()
            };
            writeln!(f, "{:20} {calls:>8} {:>10.2}{note}", dependency.to_string(), calls as f64 / events)?;
        }
        writeln!(f)
    }
}

fn journeys(f: &mut fmt::Formatter<'_>, journeys: &[JourneyAudit]) -> fmt::Result {
    let heads = ["due", "started", "lost", "twice", "wrong"];
    write!(f, "{:20}", "Journey")?;
    heads.iter().try_for_each(|head| write!(f, " {head:>8}"))?;
    writeln!(f, "   event to journey: median, 99 %, longest")?;
    for journey in journeys {
        let JourneyAudit { expected, started, lost, duplicated, misdirected, .. } = journey;
        write!(f, "{:20}", journey.journey.name())?;
        [expected, started, lost, duplicated, misdirected].iter().try_for_each(|count| write!(f, " {count:>8}"))?;
        match journey.latency {
            Some(Latency { p50_ms, p99_ms, max_ms }) => {
                let [median, most, longest] = [p50_ms, p99_ms, max_ms].map(|ms| seconds(TimeDelta::milliseconds(ms)));
                writeln!(f, "   {median}, {most}, {longest}")?;
            }
            None => writeln!(f)?,
        }
    }
    writeln!(f)
}

fn verdict(f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let audit = &outcome.audit;
    writeln!(f, "Audit of the shop's ledger against the journeys that Dataverse really started:")?;
    if audit.is_clean() {
        writeln!(f, "  Clean: each of the {} journeys that were due started once, for the right", audit.expected())?;
        writeln!(f, "  contact and with the amounts of the receipt; no contact is there twice.")?;
    } else {
        writeln!(f, "  NOT CLEAN.")?;
    }
    findings(f, "never started", &audit.lost)?;
    findings(f, "started again without reason", &audit.duplicated)?;
    findings(f, "started for the wrong contact, with wrong values, or for nothing", &audit.misdirected)?;
    list(f, "contacts that should be there once", &audit.duplicate_contacts)?;
    left_over(f, audit)?;
    if !audit.uncertain.is_empty() {
        writeln!(f, "  {} started again because the first answer was lost on the way.", audit.uncertain.len())?;
    }
    Ok(())
}

fn left_over(f: &mut fmt::Formatter<'_>, audit: &Audit) -> fmt::Result {
    let Counts { active, locked, scheduled, dead_lettered } = audit.left_over;
    if audit.left_over != Counts::default() {
        let waiting = active + locked + scheduled;
        writeln!(f, "  {waiting} messages are still waiting, and {dead_lettered} are dead letters.")?;
    }
    Ok(())
}

fn findings(f: &mut fmt::Formatter<'_>, kind: &str, findings: &[Finding]) -> fmt::Result {
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    list(f, kind, &lines)
}

fn list(f: &mut fmt::Formatter<'_>, kind: &str, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(f, "  {} {kind}:", lines.len())?;
    lines.iter().take(LISTED).try_for_each(|line| writeln!(f, "    {line}"))?;
    if lines.len() > LISTED { writeln!(f, "    ... and {} more", lines.len() - LISTED) } else { Ok(()) }
}

fn seconds(time: TimeDelta) -> String {
    format!("{:.1} s", time.num_milliseconds().max(0) as f64 / 1000.0)
}
