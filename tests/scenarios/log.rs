//! The log is what `docs/logging.md` says, and `docs/logging.md` says all of it.

use std::collections::{BTreeMap, BTreeSet};

use commerce_journeys::telemetry::log_events::LOG_EVENTS;
use commerce_journeys::telemetry::{Facts, PollSummary};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/logging.md");

/// On every line, and on those of an invocation.
const COMMON: [&str; 5] = ["time", "level", "event", "function", "invocationId"];

/// An event as the page describes it: its level, and its fields with whether they are always present.
struct Documented {
    level: String,
    fields: BTreeMap<String, bool>,
}

/// The names in backticks outside of parentheses, each with whether a question mark follows.
fn names(cell: &str) -> BTreeMap<String, bool> {
    let mut depth = 0;
    let outside: String = cell
        .chars()
        .filter(|character| {
            depth += i32::from(*character == '(') - i32::from(*character == ')');
            depth == 0
        })
        .collect();
    let parts: Vec<&str> = outside.split('`').collect();
    parts
        .chunks(2)
        .zip(parts.iter().skip(2).step_by(2))
        .map(|(name, after)| (name[1].to_owned(), !after.starts_with('?')))
        .collect()
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split(" | ").map(str::trim).collect()
}

/// The fields of the two tables below `invocation`.
fn documented_facts() -> BTreeMap<String, bool> {
    let tables = PAGE.split("\n\n").filter(|block| block.starts_with("| fields of"));
    tables.flat_map(|table| table.lines().skip(2).flat_map(|row| names(cells(row)[0]))).collect()
}

fn documented() -> BTreeMap<String, Documented> {
    let tables = PAGE.split("\n\n").filter(|block| block.starts_with("| event | level |"));
    let rows = tables.flat_map(|table| table.lines().skip(2)).map(cells);
    rows.map(|row| {
        let name = row[0].trim_matches('`').to_owned();
        (name, Documented { level: row[1].to_owned(), fields: names(row[2]) })
    })
    .collect()
}

fn camel(words: &str) -> String {
    let mut name = String::new();
    for (index, word) in words.split('_').enumerate() {
        let (first, rest) = word.split_at(1);
        name += &if index == 0 { first.to_lowercase() } else { first.to_uppercase() };
        name += rest;
    }
    name
}

#[test]
fn the_page_describes_exactly_the_log_events_of_the_code() {
    let mut documented = documented();
    assert!(documented.remove("library").is_some(), "what libraries say is on the page");
    for event in LOG_EVENTS {
        let name = camel(event.name);
        let page = documented.remove(&name).unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(page.level, event.level.as_str().to_lowercase(), "{name}");
        let fields: BTreeSet<String> =
            event.fields.iter().filter(|field| **field != "facts").map(|field| camel(field)).collect();
        assert_eq!(page.fields.into_keys().collect::<BTreeSet<_>>(), fields, "{name}");
    }
    assert_eq!(documented.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "no such events in the code");
    let summary = PollSummary { oldest_ms: Some(1), ..PollSummary::default() };
    let Value::Object(summary) = serde_json::to_value(summary).unwrap() else { panic!() };
    let facts: BTreeSet<String> =
        Facts::FIELDS.iter().map(|field| camel(field)).chain(summary.into_iter().map(|(name, _)| name)).collect();
    assert_eq!(documented_facts().into_keys().collect::<BTreeSet<_>>(), facts);
}

#[test]
fn every_reason_is_on_the_page() {
    let list = PAGE.split("### Reasons").nth(1).unwrap().split("##").next().unwrap();
    let documented: BTreeSet<String> = names(list).into_keys().collect();
    // The enumeration is closed: a reason that is not in it does not parse.
    for reason in &documented {
        serde_json::from_value::<commerce_journeys::events::ReasonCode>(Value::from(reason.as_str())).unwrap();
    }
    let unknown = serde_json::from_value::<commerce_journeys::events::ReasonCode>(Value::from("?")).unwrap_err();
    let known: BTreeSet<String> = unknown.to_string().split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert_eq!(documented, known);
}

/// Asserts that the page describes each line of a log: all promised fields are present, and no others.
pub(crate) fn assert_documented(log: &str) {
    let (events, facts) = (documented(), documented_facts());
    for line in log.lines() {
        let fields: BTreeMap<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let name = fields.get("event").and_then(Value::as_str).unwrap_or_else(|| panic!("no event: {line}"));
        let event = events.get(name).unwrap_or_else(|| panic!("{name} is not on the page: {line}"));
        assert!(event.level == "any" || fields["level"] == event.level.as_str(), "{line}");
        for (field, always) in &event.fields {
            assert!(!always || fields.contains_key(field), "{field} is missing: {line}");
        }
        for field in fields.keys().filter(|field| !COMMON.contains(&field.as_str())) {
            let known = event.fields.contains_key(field) || (name == "invocation" && facts.contains_key(field));
            assert!(known, "{field} is not on the page: {line}");
        }
        let is_of_invocation = fields.contains_key("function") && fields.contains_key("invocationId");
        assert!(name != "invocation" || is_of_invocation, "{line}");
        assert!(!line.to_lowercase().contains("warn") || fields["level"] != "error", "read as a warning: {line}");
    }
}
