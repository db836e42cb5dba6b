//! The tables of `docs/reliability.md`: what became of the events, for each kind of request and each group of faults. The page
//! has the legend.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use super::day::Outcome;
use super::fault::GROUPS;
use super::injector::Planned;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reliability.md");

/// Tests of one process that update the page.
static UPDATE: Mutex<()> = Mutex::new(());

/// How often a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Once,
    Lasting,
}

impl Form {
    fn marker(self) -> &'static str {
        match self {
            Self::Once => "<!-- generated: faults that happen once -->",
            Self::Lasting => "<!-- generated: faults that last -->",
        }
    }
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

    /// Asserts that the page contains these rows, or writes them.
    pub(crate) fn compare_with_page(&self) {
        let _guard = UPDATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (before, rest) = page.split_once(self.form.marker()).expect("the page has the marker of the table");
        let (table, after) = rest.split_once("\n\n<!-- end -->").expect("the table has an end");
        let mut rows: Rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1).map(read_row).collect();
        let is_update = std::env::var_os("UPDATE_TABLES").is_some();
        for (kind, cells) in &self.cells {
            let row = rows.entry(kind.clone()).or_default();
            for (group, outcomes) in cells {
                let (seen, documented) = (words(outcomes), row.entry((*group).to_owned()).or_default());
                if is_update {
                    *documented = seen;
                } else {
                    let help = "docs/reliability.md differs; UPDATE_TABLES=1 writes it";
                    assert!(
                        seen.iter().all(|word| is_documented(word, documented)),
                        "{help}: {kind}, {group}: {seen:?}, documented: {documented:?}"
                    );
                }
            }
        }
        if is_update {
            let marker = self.form.marker();
            std::fs::write(PAGE, format!("{before}{marker}\n\n{}\n\n<!-- end -->{after}", render(&rows))).unwrap();
        }
    }
}

/// Whether the page says so. A machine that is busy may finish by a retry what is usually finished at once, and the reverse.
fn is_documented(word: &str, documented: &BTreeSet<String>) -> bool {
    const FINISHED: [&str; 2] = ["✓", "later"];
    let equal = if FINISHED.contains(&word) { &FINISHED[..] } else { &[word] };
    equal.iter().any(|word| documented.contains(*word))
}

/// The words of each cell, by kind of request and group of faults.
type Rows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn read_row(line: &str) -> (String, BTreeMap<String, BTreeSet<String>>) {
    let mut cells = line.trim_matches('|').split('|').map(str::trim);
    let kind = cells.next().unwrap_or_default().to_owned();
    let words = |cell: &str| cell.split(", ").filter(|word| !word.is_empty()).map(str::to_owned).collect();
    (kind, GROUPS.iter().map(|group| (*group).to_owned()).zip(cells.map(words)).collect())
}

fn render(rows: &Rows) -> String {
    let header = format!("| request | {} |\n|---|{}", GROUPS.join(" | "), "---|".repeat(GROUPS.len()));
    let cell = |row: &BTreeMap<String, BTreeSet<String>>, group: &str| {
        let words: Vec<&str> = row.get(group).into_iter().flatten().map(String::as_str).collect();
        words.join(", ")
    };
    let line = |(kind, row): (&String, &BTreeMap<String, BTreeSet<String>>)| {
        let cells: Vec<String> = GROUPS.iter().map(|group| cell(row, group)).collect();
        format!("| {kind} | {} |", cells.join(" | "))
    };
    let lines: Vec<String> = rows.iter().map(line).collect();
    format!("{header}\n{}", lines.join("\n"))
}

fn words(outcomes: &BTreeSet<Outcome>) -> BTreeSet<String> {
    outcomes.iter().map(word).collect()
}

fn word(outcome: &Outcome) -> String {
    match outcome {
        Outcome::AtOnce => "✓".to_owned(),
        Outcome::Later => "later".to_owned(),
        Outcome::Uncertain => "uncertain".to_owned(),
        Outcome::Skipped => "skipped".to_owned(),
        Outcome::Incomplete(reason) => format!("(`{reason}`)"),
        Outcome::Failed(reason) => format!("`{reason}`"),
    }
}
