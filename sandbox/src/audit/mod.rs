//! The audit: compares the shop's ledger with the journeys that Dataverse started.
//!
//! It does not use any data of the handler: no records, no answers, no logs. What an operator requested, it takes from the
//! Functions host, which passed the requests on.

mod carts;
mod contacts;
mod examples;
mod journey;
mod latency;
mod operator;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use chrono::TimeDelta;
use serde::Serialize;
use uuid::Uuid;

use self::carts::Carts;
pub use self::carts::reminder_of;
use self::contacts::Contacts;
pub use self::journey::{Journey, Occasion};
pub use self::latency::Latency;
use self::operator::OperatorRequests;
use crate::dataverse::{Contact, StartedJourney};
use crate::host::HttpRequest;
use crate::service_bus::Counts;
use crate::shop::LedgerEntry;

/// A start whose answer did not reach the handler because of an injected fault: the connection was reset, or the
/// handler was killed before it could record the answer. The handler may call the trigger again in this case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Explained {
    /// [`StartedJourney::number`].
    pub started_number: u64,
}

/// The data for the audit.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The shop's ledger.
    pub ledger: &'a [Arc<LedgerEntry>],
    /// The calls of custom triggers that Dataverse accepted.
    pub started: &'a [Arc<StartedJourney>],
    /// All contacts as they are now.
    pub contacts: &'a [Contact],
    /// The contacts that existed at the start.
    pub initial_contacts: &'a BTreeSet<Uuid>,
    /// The journeys that are enabled.
    pub enabled: &'a [Journey],
    /// Starts whose answers were lost.
    pub explained: &'a [Explained],
    /// The HTTP requests that the Functions host passed on.
    pub requests: &'a [HttpRequest],
    /// The remaining messages of the subscription.
    pub left_over: Counts,
    /// How long a cart must be left before its reminder.
    pub cart_wait: TimeDelta,
}

/// A problem that the audit found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The journey, if it is one that the audit knows.
    pub journey: Option<Journey>,
    /// `EventTransactionId` of the event, or the occasion of the started journey.
    pub event: String,
    /// A description of the problem.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let journey = self.journey.map_or("unknown journey", Journey::name);
        write!(f, "{journey} of {}: {}", self.event, self.what)
    }
}

/// The result for one journey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JourneyAudit {
    /// The journey.
    pub journey: Journey,
    /// The number of expected journeys.
    pub expected: usize,
    /// The number of started journeys, including repetitions.
    pub started: usize,
    /// The number of expected journeys that did not start.
    pub lost: usize,
    /// Repetitions without an explanation.
    pub duplicated: usize,
    /// Repetitions after a lost answer.
    pub uncertain: usize,
    /// Starts for the wrong contact, with wrong values, or without an event.
    pub misdirected: usize,
    /// Starts that an operator requested, also first ones.
    pub forced: usize,
    /// Journeys that did not start because an operator dismissed their event. They count as not expected.
    pub dismissed: usize,
    /// The latency from an event's commit to the first start.
    pub latency: Option<Latency>,
}

/// The result of the audit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The number of entries in the ledger.
    pub events: usize,
    /// The results per journey. Journeys that are neither enabled nor started are omitted.
    pub journeys: Vec<JourneyAudit>,
    /// Journeys that were rightly skipped, because the customer's contact is deactivated. They count as not expected.
    pub skipped: Vec<Finding>,
    /// Journeys that did not start because an operator dismissed their event. They count as not expected.
    pub dismissed: Vec<Finding>,
    /// Starts that an operator requested with `force` or `release`; one finding for each start.
    pub forced: Vec<Finding>,
    /// Expected journeys that did not start.
    pub lost: Vec<Finding>,
    /// The occasions of [`Audit::lost`].
    pub missing: Vec<Occasion>,
    /// Repeated starts without a reason; one finding for each repetition.
    pub duplicated: Vec<Finding>,
    /// Repeated starts after a lost answer; one finding for each repetition.
    pub uncertain: Vec<Finding>,
    /// Starts for the wrong contact, with wrong values, or without an event; one finding for each start.
    pub misdirected: Vec<Finding>,
    /// Duplicate contacts.
    pub duplicate_contacts: Vec<String>,
    /// The remaining messages of the subscription.
    pub left_over: Counts,
    /// The latency from an event's commit to the first start, over all journeys.
    pub latency: Option<Latency>,
}

impl Audit {
    /// Compares the data.
    pub fn of(evidence: &Evidence<'_>) -> Self {
        let carts = Carts::new(evidence.ledger, evidence.cart_wait);
        let (mut expected, optional) = expected(evidence.ledger, evidence.enabled, &carts);
        let mut audit = Self {
            events: evidence.ledger.len(),
            duplicate_contacts: contacts::duplicates(evidence.contacts, evidence.initial_contacts),
            left_over: evidence.left_over,
            ..Self::default()
        };
        let started = audit.direct(evidence, &expected, &carts);
        expected.retain(|occasion, _| started.contains_key(occasion) || !optional.contains(occasion));
        audit.repeat(evidence, &expected, &started);
        audit.sum_up(evidence, &expected, &started, &carts);
        audit
    }

    /// The number of expected journeys.
    pub fn expected(&self) -> usize {
        self.journeys.iter().map(|journey| journey.expected).sum()
    }

    /// Whether every expected journey started once, and no message remains.
    pub fn is_clean(&self) -> bool {
        let findings = [&self.lost, &self.duplicated, &self.misdirected];
        findings.iter().all(|findings| findings.is_empty())
            && self.duplicate_contacts.is_empty()
            && self.left_over == Counts::default()
    }

    /// Checks each start, and returns the expected ones.
    fn direct<'a>(&mut self, evidence: &Evidence<'a>, expected: &Expected<'a>, carts: &Carts<'_>) -> Started<'a> {
        let contacts = Contacts::new(evidence.contacts);
        let mut known = Started::new();
        for started in evidence.started {
            let occasion = Journey::occasion_of(started);
            let entry = occasion.as_ref().and_then(|occasion| expected.get(occasion));
            let (Some(occasion), Some(entry)) = (&occasion, entry) else {
                self.misdirected.push(unexpected(started, occasion));
                continue;
            };
            let (what, wrong) = match occasion.journey {
                Journey::AbandonedCart => ("cart", carts.errors(entry, started)),
                journey => ("order", journey.errors(entry, started)),
            };
            let wrong = (!wrong.is_empty()).then(|| format!("differs from the {what}: {}", wrong.join(", ")));
            let mismatch = contacts.mismatch(started, entry).map(str::to_owned);
            let mismatches: Vec<_> = mismatch.into_iter().chain(wrong).collect();
            if !mismatches.is_empty() {
                self.misdirected.push(finding(occasion.journey, entry, mismatches.join("; ")));
            }
            known.entry(occasion.clone()).or_default().push(started);
        }
        known
    }

    /// Compares the number of starts with the number of expected starts.
    fn repeat(&mut self, evidence: &Evidence<'_>, expected: &Expected<'_>, started: &Started<'_>) {
        let exceptions = Exceptions::new(evidence.contacts, evidence.requests);
        let explained: BTreeSet<_> = evidence.explained.iter().map(|explained| explained.started_number).collect();
        for (occasion, entry) in expected {
            match started.get(occasion) {
                Some(starts) => self.check_starts(occasion, entry, starts, &exceptions.requests, &explained),
                None => self.check_absence(occasion, entry, &exceptions),
            }
        }
    }

    fn check_absence(&mut self, occasion: &Occasion, entry: &LedgerEntry, exceptions: &Exceptions<'_>) {
        let (findings, what) = match exceptions.reason(entry) {
            Some(Exception::Deactivated) => (&mut self.skipped, "never started: the contact is deactivated"),
            Some(Exception::Dismissed) => (&mut self.dismissed, "not started: an operator dismissed the event"),
            None => {
                self.missing.push(occasion.clone());
                (&mut self.lost, "never started")
            }
        };
        findings.push(finding(occasion.journey, entry, what.to_owned()));
    }

    /// Each request of an operator explains one start. A lost answer explains one repetition, the next one.
    fn check_starts(
        &mut self,
        occasion: &Occasion,
        entry: &LedgerEntry,
        starts: &[&StartedJourney],
        requests: &OperatorRequests,
        explained: &BTreeSet<u64>,
    ) {
        let mut used = BTreeSet::new();
        let dismissed_at = requests.dismissed_at(entry);
        for (index, start) in starts.iter().enumerate() {
            let previous = index.checked_sub(1).and_then(|previous| starts.get(previous));
            let is_too_late = dismissed_at.is_some_and(|dismissed| dismissed < start.at);
            let request = requests.explaining(occasion.journey, entry, start.at, &used);
            used.extend(request);
            if previous.is_none() && !is_too_late && request.is_none_or(|request| !requests.names_event(request)) {
                continue;
            }
            let is_explained = previous.is_some_and(|previous| explained.contains(&previous.number));
            let what = format!("started {} times", index + 1);
            let (findings, what) = match (request, is_too_late) {
                (Some(_), _) => (&mut self.forced, what),
                (None, true) => (&mut self.misdirected, "started although its event was dismissed".to_owned()),
                (None, false) if is_explained => (&mut self.uncertain, what),
                (None, false) => (&mut self.duplicated, what),
            };
            findings.push(finding(occasion.journey, entry, what));
        }
    }

    fn sum_up(&mut self, evidence: &Evidence<'_>, expected: &Expected<'_>, started: &Started<'_>, carts: &Carts<'_>) {
        let mut all = Vec::new();
        for journey in Journey::WITH_EXAMPLES {
            let of = |findings: &[Finding]| findings.iter().filter(|it| it.journey == Some(journey)).count();
            let mine = started.iter().filter(|(occasion, _)| occasion.journey == journey);
            let first = |(occasion, starts): (&Occasion, &Vec<&StartedJourney>)| {
                let entry = expected.get(occasion)?;
                // A wait that was asked for is no delay.
                let due_at = (journey == Journey::AbandonedCart).then(|| carts.due_at(entry));
                Some(starts.first()?.at - due_at.map_or(entry.committed, |due_at| due_at.max(entry.committed)))
            };
            let waits: Vec<_> = mine.filter_map(first).collect();
            all.extend(&waits);
            let line = JourneyAudit {
                journey,
                expected: expected.keys().filter(|occasion| occasion.journey == journey).count()
                    - of(&self.skipped)
                    - of(&self.dismissed),
                started: evidence.started.iter().filter(|it| it.trigger == journey.trigger()).count(),
                lost: of(&self.lost),
                duplicated: of(&self.duplicated),
                uncertain: of(&self.uncertain),
                misdirected: of(&self.misdirected),
                forced: of(&self.forced),
                dismissed: of(&self.dismissed),
                latency: Latency::of(waits),
            };
            if evidence.enabled.contains(&journey) || line.started > 0 {
                self.journeys.push(line);
            }
        }
        self.latency = Latency::of(all);
    }
}

/// The ledger entry of each expected journey.
type Expected<'a> = BTreeMap<Occasion, &'a LedgerEntry>;

/// The starts of each expected journey, in order.
type Started<'a> = BTreeMap<Occasion, Vec<&'a StartedJourney>>;

/// Why a journey of an event that has not started is not expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exception {
    /// Somebody has deactivated the customer's contact.
    Deactivated,
    /// An operator has dismissed the event.
    Dismissed,
}

/// The events whose journeys are not expected.
pub struct Exceptions<'a> {
    contacts: Contacts<'a>,
    requests: OperatorRequests,
}

impl<'a> Exceptions<'a> {
    /// The exceptions by the contacts as they are now, and by what operators requested.
    pub fn new(contacts: &'a [Contact], requests: &[HttpRequest]) -> Self {
        Self { contacts: Contacts::new(contacts), requests: OperatorRequests::read(requests) }
    }

    /// Whether journeys of this entry that have not started are not expected.
    pub fn contain(&self, entry: &LedgerEntry) -> bool {
        self.reason(entry).is_some()
    }

    fn reason(&self, entry: &LedgerEntry) -> Option<Exception> {
        match self.requests.dismissed_at(entry) {
            Some(_) => Some(Exception::Dismissed),
            None => self.contacts.is_deactivated(entry).then_some(Exception::Deactivated),
        }
    }
}

/// The expected journeys of this entry; none if there is no reachable customer.
pub fn due<'a>(entry: &'a LedgerEntry, enabled: &'a [Journey]) -> impl Iterator<Item = Occasion> + 'a {
    let reachable = entry.account.is_some() || entry.email.is_some();
    enabled.iter().filter(move |_| reachable).filter_map(|journey| journey.occasion(entry))
}

/// The expected journeys, and those among them that may also be absent.
fn expected<'a>(
    ledger: &'a [Arc<LedgerEntry>],
    enabled: &'a [Journey],
    carts: &Carts<'a>,
) -> (Expected<'a>, BTreeSet<Occasion>) {
    let due = |entry: &'a Arc<LedgerEntry>| due(entry, enabled).map(move |occasion| (occasion, &**entry));
    let mut expected: Expected<'_> = ledger.iter().flat_map(due).collect();
    // A change of a cart is an occasion only if nothing follows.
    expected.retain(|occasion, _| occasion.journey != Journey::AbandonedCart);
    let mut optional = BTreeSet::new();
    for abandoned in carts.abandoned() {
        for occasion in self::due(abandoned.change, enabled) {
            optional.extend(abandoned.is_optional.then(|| occasion.clone()));
            expected.insert(occasion, abandoned.change);
        }
    }
    (expected, optional)
}

fn finding(journey: Journey, entry: &LedgerEntry, what: String) -> Finding {
    Finding { journey: Some(journey), event: entry.event.transaction_id.clone(), what }
}

fn unexpected(started: &StartedJourney, occasion: Option<Occasion>) -> Finding {
    match occasion {
        Some(Occasion { journey, key }) => {
            Finding { journey: Some(journey), event: key, what: unexpected_because(journey).to_owned() }
        }
        None => Finding {
            journey: Journey::of_trigger(&started.trigger),
            event: format!("call no. {}", started.number),
            what: format!("{} was started about nothing in particular", started.trigger),
        },
    }
}

fn unexpected_because(journey: Journey) -> &'static str {
    match journey {
        Journey::AbandonedCart => {
            "this journey was not expected: the cart was bought, is empty, or has no reachable customer"
        }
        _ => "this journey was not expected",
    }
}

#[cfg(test)]
mod tests;
