//! A table of what became of the events, for each kind of request and each group of faults: `✓` is finished by the first poll,
//! a reason in parentheses names what was missing, and a reason alone is that of a failed event.

use std::collections::{BTreeMap, BTreeSet};

use super::day::Outcome;
use super::fault::GROUPS;
use super::injector::Planned;

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Once,
    Lasting,
}

/// The outcomes of the days so far.
pub(crate) struct Seen {
    form: Form,
    days: usize,
    /// By kind of request and group of faults.
    cells: BTreeMap<String, BTreeMap<&'static str, BTreeSet<Outcome>>>,
}

impl Seen {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, days: 0, cells: BTreeMap::new() }
    }

    pub(crate) fn add(&mut self, day: Planned, outcome: Outcome) {
        self.days += 1;
        let row = self.cells.entry(day.at.kind.to_string()).or_default();
        row.entry(day.fault.group()).or_default().insert(outcome);
    }

    pub(crate) fn days(&self) -> usize {
        self.days
    }

    /// Writes the table of these days.
    pub(crate) fn write(&self) {
        let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/single-faults");
        std::fs::create_dir_all(folder).unwrap();
        // Each test has requests of its own, so its first row names its file.
        let first = self.cells.keys().next().map(|kind| kind.replace([' ', ':'], "-")).unwrap_or_default();
        std::fs::write(format!("{folder}/{:?}-{first}.md", self.form), self.render()).unwrap();
    }

    fn render(&self) -> String {
        let header = format!("| request | {} |\n|---|{}", GROUPS.join(" | "), "---|".repeat(GROUPS.len()));
        let lines = self.cells.iter().map(|(kind, row)| {
            let cell = |group: &&str| row.get(group).map(words).unwrap_or_default();
            let cells: Vec<String> = GROUPS.iter().map(cell).collect();
            format!("\n| {kind} | {} |", cells.join(" | "))
        });
        header + &lines.collect::<String>()
    }
}

fn words(outcomes: &BTreeSet<Outcome>) -> String {
    outcomes.iter().map(word).collect::<Vec<_>>().join(", ")
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::AtOnce => "✓".to_owned(),
        Outcome::Later => "later".to_owned(),
        Outcome::Uncertain => "uncertain".to_owned(),
        Outcome::Incomplete(reason) => format!("(`{reason}`)"),
        Outcome::Failed(reason) => format!("`{reason}`"),
    }
}
