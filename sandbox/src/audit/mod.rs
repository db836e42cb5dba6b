//! The audit: compares the shop's ledger with the journeys that Dataverse really started.
//!
//! It believes nobody in between: not the handler's records, not its answers, not its log.

mod contacts;
mod journey;
mod latency;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use uuid::Uuid;

use self::contacts::Contacts;
pub use self::journey::{Journey, Occasion};
pub use self::latency::Latency;
use crate::dataverse::{Contact, StartedJourney};
use crate::service_bus::Counts;
use crate::shop::LedgerEntry;

/// A start whose answer the sandbox itself kept from the handler: it broke the connection, or killed the handler
/// before the answer could be recorded. Nobody can blame the handler for asking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Explained {
    /// [`StartedJourney::number`].
    pub started_number: u64,
}

/// Everything that the audit looks at.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The shop's own book.
    pub ledger: &'a [LedgerEntry],
    /// The calls of custom triggers that Dataverse accepted.
    pub started: &'a [StartedJourney],
    /// All contacts as they are now.
    pub contacts: &'a [Contact],
    /// The contacts that were there before the day began.
    pub initial_contacts: &'a BTreeSet<Uuid>,
    /// The journeys that are enabled.
    pub enabled: &'a [Journey],
    /// Starts whose answers were lost on the way.
    pub explained: &'a [Explained],
    /// What is left on the subscription.
    pub left_over: Counts,
}

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The journey, if it is one that the audit knows.
    pub journey: Option<Journey>,
    /// `EventTransactionId` of the event, or what the started journey names.
    pub event: String,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let journey = self.journey.map_or("unknown journey", Journey::name);
        write!(f, "{journey} of {}: {}", self.event, self.what)
    }
}

/// One journey's part in the audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JourneyAudit {
    /// Which.
    pub journey: Journey,
    /// How many should have started.
    pub expected: usize,
    /// How many did, repetitions included.
    pub started: usize,
    /// How many never did.
    pub lost: usize,
    /// Repetitions that nothing explains.
    pub duplicated: usize,
    /// Repetitions after an answer that was lost on the way.
    pub uncertain: usize,
    /// Starts for the wrong contact, with wrong values, or for nothing.
    pub misdirected: usize,
    /// From an event's commit to the first start.
    pub latency: Option<Latency>,
}

/// What the audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Entries in the ledger.
    pub events: usize,
    /// By journey; journeys that are neither enabled nor started are left out.
    pub journeys: Vec<JourneyAudit>,
    /// Expected, and never started.
    pub lost: Vec<Finding>,
    /// Started again without a reason; one finding for each repetition.
    pub duplicated: Vec<Finding>,
    /// Started again after an answer that was lost on the way; one finding for each repetition.
    pub uncertain: Vec<Finding>,
    /// Started for the wrong contact, with wrong values, or for nothing; one finding for each start.
    pub misdirected: Vec<Finding>,
    /// Contacts that there should be once.
    pub duplicate_contacts: Vec<String>,
    /// What is left on the subscription.
    pub left_over: Counts,
    /// From an event's commit to the first start, over all journeys.
    pub latency: Option<Latency>,
}

impl Audit {
    /// Compares.
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let expected = expected(evidence.ledger, evidence.enabled);
        let mut audit = Self {
            events: evidence.ledger.len(),
            duplicate_contacts: contacts::duplicates(evidence.contacts, evidence.initial_contacts),
            left_over: evidence.left_over,
            ..Self::default()
        };
        let started = audit.direct(evidence, &expected);
        audit.repeat(evidence.explained, &expected, &started);
        audit.sum_up(evidence, &expected, &started);
        audit
    }

    /// How many journeys should have started.
    pub fn expected(&self) -> usize {
        self.journeys.iter().map(|journey| journey.expected).sum()
    }

    /// Whether every customer got what was due, once, and nothing is left to be done.
    pub fn is_clean(&self) -> bool {
        let findings = [&self.lost, &self.duplicated, &self.misdirected];
        findings.iter().all(|findings| findings.is_empty())
            && self.duplicate_contacts.is_empty()
            && self.left_over == Counts::default()
    }

    /// Judges each start by itself, and returns those that were expected.
    fn direct<'a>(&mut self, evidence: &Evidence<'a>, expected: &Expected<'a>) -> Started<'a> {
        let contacts = Contacts::new(evidence.contacts);
        let mut known = Started::new();
        for started in evidence.started {
            let occasion = Journey::occasion_of(started);
            let entry = occasion.as_ref().and_then(|occasion| expected.get(occasion));
            let (Some(occasion), Some(entry)) = (&occasion, entry) else {
                self.misdirected.push(unexpected(started, occasion));
                continue;
            };
            let wrong = occasion.journey.errors(entry, started);
            let wrong = (!wrong.is_empty()).then(|| format!("not what was sold: {}", wrong.join(", ")));
            let mismatch = contacts.mismatch(started.contact, entry).map(str::to_owned);
            let mismatches: Vec<_> = mismatch.into_iter().chain(wrong).collect();
            if !mismatches.is_empty() {
                self.misdirected.push(finding(occasion.journey, entry, mismatches.join("; ")));
            }
            known.entry(occasion.clone()).or_default().push(started);
        }
        known
    }

    /// Compares how often things started with how often they should have.
    fn repeat(&mut self, explained: &[Explained], expected: &Expected<'_>, started: &Started<'_>) {
        let is_explained = |number| explained.contains(&Explained { started_number: number });
        for (occasion, entry) in expected {
            let Some(starts) = started.get(occasion) else {
                self.lost.push(finding(occasion.journey, entry, "never started".to_owned()));
                continue;
            };
            // A lost answer excuses one more attempt, the next.
            for (index, pair) in starts.windows(2).enumerate() {
                let what = format!("started {} times", index + 2);
                let findings = if is_explained(pair[0].number) { &mut self.uncertain } else { &mut self.duplicated };
                findings.push(finding(occasion.journey, entry, what));
            }
        }
    }

    fn sum_up(&mut self, evidence: &Evidence<'_>, expected: &Expected<'_>, started: &Started<'_>) {
        let mut all = Vec::new();
        for journey in Journey::ALL {
            let of = |findings: &[Finding]| findings.iter().filter(|it| it.journey == Some(journey)).count();
            let mine = started.iter().filter(|(occasion, _)| occasion.journey == journey);
            let first = |(occasion, starts): (&Occasion, &Vec<&StartedJourney>)| {
                Some(starts.first()?.at - expected.get(occasion)?.committed)
            };
            let waits: Vec<_> = mine.filter_map(first).collect();
            all.extend(&waits);
            let line = JourneyAudit {
                journey,
                expected: expected.keys().filter(|occasion| occasion.journey == journey).count(),
                started: evidence.started.iter().filter(|it| it.trigger == journey.trigger()).count(),
                lost: of(&self.lost),
                duplicated: of(&self.duplicated),
                uncertain: of(&self.uncertain),
                misdirected: of(&self.misdirected),
                latency: Latency::of(waits),
            };
            if evidence.enabled.contains(&journey) || line.started > 0 {
                self.journeys.push(line);
            }
        }
        self.latency = Latency::of(all);
    }
}

/// The entry behind every journey that is due.
type Expected<'a> = BTreeMap<Occasion, &'a LedgerEntry>;

/// The starts of every journey that is due, in their order.
type Started<'a> = BTreeMap<Occasion, Vec<&'a StartedJourney>>;

/// What is due after this entry: nothing if nobody can be reached about it.
pub fn due<'a>(entry: &'a LedgerEntry, enabled: &'a [Journey]) -> impl Iterator<Item = Occasion> + 'a {
    let reachable = entry.account.is_some() || entry.email.is_some();
    enabled.iter().filter(move |_| reachable).filter_map(|journey| journey.occasion(entry))
}

fn expected<'a>(ledger: &'a [LedgerEntry], enabled: &'a [Journey]) -> Expected<'a> {
    ledger.iter().flat_map(|entry| due(entry, enabled).map(move |occasion| (occasion, entry))).collect()
}

fn finding(journey: Journey, entry: &LedgerEntry, what: String) -> Finding {
    Finding { journey: Some(journey), event: entry.event.transaction_id.clone(), what }
}

fn unexpected(started: &StartedJourney, occasion: Option<Occasion>) -> Finding {
    match occasion {
        Some(Occasion { journey, key }) => {
            Finding { journey: Some(journey), event: key, what: "nobody was to get this".to_owned() }
        }
        None => Finding {
            journey: Journey::ALL.into_iter().find(|journey| journey.trigger() == started.trigger),
            event: format!("call no. {}", started.number),
            what: format!("{} was started about nothing in particular", started.trigger),
        },
    }
}

#[cfg(test)]
mod tests;
