//! The report of a run: counts, and ids as examples. No personal data.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::decide::Reason;
use super::reconcile::{CustomerResult, SyncOutcome};
use super::state::Vanished;

/// Examples of each kind.
const EXAMPLES: usize = 5;

/// The report of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncReport {
    /// Nothing was written: the counts are those of a real run.
    pub dry_run: bool,
    /// Customers in gold.
    pub customers: u64,
    /// Customers that were processed: new ones, changed ones, and those without a contact after the last run.
    pub looked_at: u64,
    /// New contacts.
    pub created: Kind,
    /// Contacts that were found by e-mail and got the customer's account number.
    pub linked: Kind,
    /// Contacts that differed.
    pub updated: Kind,
    /// Contacts that were right.
    pub equal: u64,
    /// Customers for whom nothing was done, by reason.
    pub left: BTreeMap<Reason, Kind>,
    /// Customers who are no longer in gold; their contacts stay.
    pub vanished: Kind,
    /// Columns that linking and updating set, and how often.
    pub columns: BTreeMap<&'static str, u64>,
    /// Requests to Dataverse.
    pub requests: u64,
    /// Pauses because Dataverse asked for one, or was not available.
    pub pauses: u64,
}

/// A count with examples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// A customer, and its contact if it has one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Example {
    /// The key in gold.
    pub customer_id: String,
    /// `contactid`.
    pub contact_id: Option<String>,
}

impl Kind {
    fn add(&mut self, customer: &str, contact: Option<String>) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(Example { customer_id: customer.to_owned(), contact_id: contact });
        }
    }
}

impl SyncReport {
    /// Whether every processed customer has its contact.
    pub fn is_settled(&self) -> bool {
        self.left.keys().all(|reason| reason.is_settled())
    }

    /// 0: every customer has its contact; 1: some do not.
    pub fn exit_code(&self) -> u8 {
        u8::from(!self.is_settled())
    }

    pub(super) fn add(&mut self, result: &CustomerResult) {
        self.looked_at += 1;
        let contact = result.contact.map(|contact| contact.to_string());
        let kind = match &result.outcome {
            SyncOutcome::Equal => {
                self.equal += 1;
                return;
            }
            SyncOutcome::Created => &mut self.created,
            SyncOutcome::Linked(_) => &mut self.linked,
            SyncOutcome::Updated(_) => &mut self.updated,
            SyncOutcome::Left(reason, _) => self.left.entry(*reason).or_default(),
        };
        kind.add(&result.customer, contact);
        if let SyncOutcome::Linked(columns) | SyncOutcome::Updated(columns) = &result.outcome {
            columns.iter().for_each(|column| *self.columns.entry(column).or_default() += 1);
        }
    }

    pub(super) fn add_vanished(&mut self, vanished: &[Vanished]) {
        vanished.iter().for_each(|it| self.vanished.add(&it.customer, it.contact.clone()));
    }
}

impl fmt::Display for SyncReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let would = if self.dry_run { " (dry run: nothing was written)" } else { "" };
        writeln!(f, "Contacts of customers{would}\n")?;
        writeln!(f, "{:<24}{:>10}", "customers in gold", self.customers)?;
        writeln!(f, "{:<24}{:>10}", "looked at", self.looked_at)?;
        writeln!(f, "{:<24}{:>10}", "  equal", self.equal)?;
        for (name, kind) in [("  created", &self.created), ("  linked", &self.linked), ("  updated", &self.updated)] {
            line(f, name, kind)?;
        }
        for (reason, kind) in &self.left {
            line(f, &format!("  left: {}", reason.name()), kind)?;
        }
        line(f, "vanished from gold", &self.vanished)?;
        writeln!(f, "{:<24}{:>10}", "requests to Dataverse", self.requests)?;
        writeln!(f, "{:<24}{:>10}", "pauses", self.pauses)?;
        for (column, count) in &self.columns {
            writeln!(f, "{:<24}{count:>10}", format!("sets {column}"))?;
        }
        self.left.keys().try_for_each(|reason| writeln!(f, "\n{}: {}", reason.name(), reason.advice()))
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, kind: &Kind) -> fmt::Result {
    let examples: Vec<&str> = kind.examples.iter().map(|example| example.customer_id.as_str()).collect();
    let examples = if examples.is_empty() { String::new() } else { format!("   {}", examples.join(", ")) };
    let more = if kind.count > EXAMPLES as u64 { ", ..." } else { "" };
    writeln!(f, "{name:<24}{:>10}{examples}{more}", kind.count)
}
