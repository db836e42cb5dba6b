//! The result of a run as text and two tables.

use std::fmt;

use chrono::TimeDelta;
use sandbox::audit::{Audit, Finding, JourneyAudit, Latency};
use sandbox::network::Dependency;
use sandbox::service_bus::{Counts, Sent};

use super::outcome::Outcome;

/// The number of findings of each kind that are listed.
const LISTED: usize = 8;

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.overview(f)?;
        journeys(f, &self.audit.journeys)?;
        self.dependencies(f)?;
        audit_result(f, self)
    }
}

impl Outcome {
    fn overview(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counts { active, locked, scheduled, dead_lettered } = self.audit.left_over;
        let shopping = seconds(self.times.sold_out - self.times.began);
        let rest = seconds(self.times.settled - self.times.sold_out);
        writeln!(
            f,
            "The shop sold {} orders in {shopping}; products were added to carts {} times.",
            self.orders, self.additions
        )?;
        if self.partner_events > 0 {
            writeln!(
                f,
                "It shipped, handed over or took back orders and created customers: {}.",
                plural(self.partner_events, "event")
            )?;
        }
        writeln!(f, "{} orders have no account and no e-mail address, so no message can be sent.", self.unreachable)?;
        let Sent { published, republished, rescheduled, .. } = self.sent;
        writeln!(
            f,
            "The handler published {}: {republished} again, {rescheduled} rescheduled;",
            plural(published, "event")
        )?;
        let waiting = active + locked + scheduled;
        writeln!(f, "{} waiting, {}.", plural(waiting, "message"), plural(dead_lettered, "dead letter"))?;
        writeln!(f, "Dataverse had {} contacts at the start, and has {} now.", self.initial_contacts, self.contacts)?;
        writeln!(f, "The last change was {rest} after the last order.\n")
    }

    fn dependencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (read, all) = (self.read, self.audit.events);
        if read < all {
            writeln!(f, "An enabled journey has the type of {read} of {all} events. The others are not read.\n")?;
        }
        writeln!(f, "{:20} {:>8} {:>10}", "Dependency", "calls", "per event")?;
        let events = self.read.max(1) as f64;
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
    let heads = ["expected", "started", "lost", "twice", "wrong"];
    write!(f, "{:20}", "Journey")?;
    heads.iter().try_for_each(|head| write!(f, " {head:>8}"))?;
    writeln!(f, "   latency: median, 99 %, maximum")?;
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

fn audit_result(f: &mut fmt::Formatter<'_>, outcome: &Outcome) -> fmt::Result {
    let audit = &outcome.audit;
    writeln!(f, "Audit: the shop's ledger compared with the journeys that Dataverse started:")?;
    if audit.is_clean() {
        writeln!(f, "  Clean: each of the {} expected journeys started once, for the right contact", audit.expected())?;
        writeln!(f, "  and with the amounts of the receipt. There are no duplicate contacts.")?;
    } else {
        writeln!(f, "  NOT CLEAN.")?;
    }
    findings(f, "never started", &audit.lost)?;
    findings(f, "duplicates (started again without a reason)", &audit.duplicated)?;
    findings(f, "started for the wrong contact, with wrong values, or unexpectedly", &audit.misdirected)?;
    list(f, "duplicate contacts", &audit.duplicate_contacts)?;
    left_over(f, audit)?;
    for (findings, what) in [
        (&audit.uncertain, "started again because the first answer was lost (uncertain)"),
        (&audit.forced, "started by hand"),
        (&audit.dismissed, "dismissed by hand, and not started"),
    ] {
        if !findings.is_empty() {
            writeln!(f, "  {} {what}.", plural(findings.len(), "journey"))?;
        }
    }
    Ok(())
}

fn left_over(f: &mut fmt::Formatter<'_>, audit: &Audit) -> fmt::Result {
    let Counts { active, locked, scheduled, dead_lettered } = audit.left_over;
    if audit.left_over != Counts::default() {
        let waiting = active + locked + scheduled;
        writeln!(f, "  {} waiting, {}.", plural(waiting, "message"), plural(dead_lettered, "dead letter"))?;
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

/// "1 event", "2 events".
fn plural(number: impl TryInto<u64>, one: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

fn seconds(time: TimeDelta) -> String {
    format!("{:.1} s", time.num_milliseconds().max(0) as f64 / 1000.0)
}
