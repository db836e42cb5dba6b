//! The log is what `docs/lake/logging.md` says, and the page says all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, Once};
use std::thread::{self, ThreadId};

use prepare_data::delta::{Counts, Maintenance};
use prepare_data::host::log_events::LOG_EVENTS;
use prepare_data::host::{JobError, Summary, log_report};
use prepare_data::lake::SkippedFolder;
use prepare_data::overlay::Additions;
use prepare_data::run::{self, Gap, GateError, How, Layer, TableReport};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::script::{Course, Handler};

const PAGE: &str = include_str!("../../../docs/lake/logging.md");

/// An event as the page has it: its level, and its fields with whether they are always there.
struct Promised {
    level: String,
    fields: BTreeMap<String, bool>,
}

/// The names in backticks outside of parentheses, each with whether a question mark follows.
fn names(cell: &str) -> BTreeMap<String, bool> {
    let outside: String = cell
        .split('(')
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { part.split_once(')').map_or("", |(_, after)| after) })
        .collect();
    let parts: Vec<&str> = outside.split('`').collect();
    let after = parts.iter().skip(2).step_by(2).map(|after| !after.starts_with('?'));
    parts.iter().skip(1).step_by(2).map(|name| (*name).to_owned()).zip(after).collect()
}

fn promised() -> BTreeMap<String, Promised> {
    let tables = PAGE.split("\n\n").filter(|block| block.starts_with("| event | level |"));
    let rows = tables.flat_map(|table| table.lines().skip(2));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let promised = Promised { level: cells[1].to_owned(), fields: names(cells[2]) };
        (cells[0].trim_matches('`').to_owned(), promised)
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
fn every_event_of_the_code_is_on_the_page_and_the_other_way_round() {
    let mut promised = promised();
    for event in LOG_EVENTS {
        let name = camel(event.name);
        let page = promised.remove(&name).unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(page.level, event.level.as_str().to_lowercase(), "{name}");
        let fields: BTreeSet<String> = event.fields.iter().map(|field| camel(field)).collect();
        assert_eq!(page.fields.into_keys().collect::<BTreeSet<_>>(), fields, "{name}");
    }
    assert_eq!(promised.into_keys().collect::<Vec<_>>(), Vec::<String>::new(), "no such events in the code");
}

/// The lines of the log that this test's thread has written: all of a test's tasks run on it.
///
/// One subscriber for the whole process: several, one for each thread, would race for the cache of what is listened to.
pub(crate) struct Kept(());

static LINES: LazyLock<Mutex<HashMap<ThreadId, Vec<Value>>>> = LazyLock::new(Mutex::default);

struct Keeper;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Keeper {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Said);
    }
}

struct Said;

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "line" {
            let line = serde_json::from_str(value).unwrap();
            LINES.lock().unwrap().entry(thread::current().id()).or_default().push(line);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl Kept {
    pub(crate) fn new() -> Self {
        static LISTENING: Once = Once::new();
        LISTENING.call_once(|| tracing_subscriber::registry().with(Keeper).init());
        let kept = Self(());
        kept.lines();
        kept
    }

    fn lines(&self) -> Vec<Value> {
        LINES.lock().unwrap().remove(&thread::current().id()).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        !LINES.lock().unwrap().contains_key(&thread::current().id())
    }

    /// The events of the lines since the last call, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        self.take().iter().map(|line| line["event"].as_str().unwrap().to_owned()).collect()
    }

    /// The lines since the last call, each as the page promises it.
    fn take(&self) -> Vec<Value> {
        let lines = self.lines();
        let promised = promised();
        for line in &lines {
            let page = &promised[line["event"].as_str().unwrap()];
            for (field, always) in &page.fields {
                assert!(!always || line.get(field).is_some(), "{field} is missing: {line}");
            }
            assert!(line.as_object().unwrap().keys().all(|field| field == "event" || page.fields.contains_key(field)));
        }
        lines
    }
}

#[tokio::test]
async fn every_invocation_tells_how_it_ended() {
    let kept = Kept::new();
    let newest = "2026-03-02T02:41:00Z".parse().ok();
    let report = Summary { tables: 7, changed: 2, rows: 100, rejected: 3, newest_source_row: newest };
    let stopped = JobError::Stopped { checks: vec!["persons".to_owned()], detail: "none".to_owned() };
    let failed = JobError::Failed { detail: "403".to_owned() };
    let handler = Handler::start(Course::Waits).await;
    for (course, ending) in [
        (Course::Ends(Ok(report)), "preparationFinished"),
        (Course::Ends(Err(stopped)), "preparationStopped"),
        (Course::Ends(Err(failed)), "preparationFailed"),
        (Course::Panics, "preparationFailed"),
    ] {
        handler.script.set(course);
        handler.invoke().await.unwrap();
        let lines = kept.take();
        let events: Vec<&str> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["preparationStarted", ending]);
        if ending == "preparationFinished" {
            assert_eq!((&lines[1]["tables"], &lines[1]["rejected"]), (&Value::from(7), &Value::from(3)));
            assert_eq!(lines[1]["newestSourceRow"], "2026-03-02T02:41:00Z");
        }
    }

    handler.script.set(Course::Waits);
    let started = *handler.script.started.borrow();
    let invocation = handler.invoke();
    handler.script.until_started(started + 1).await;
    handler.invoke().await.unwrap();
    handler.stop().await.unwrap();
    invocation.await.unwrap();
    assert_eq!(kept.events(), ["preparationStarted", "preparationRefused", "preparationAbandoned"]);
}

fn table(layer: Layer, table: &str, how: How, counts: Counts) -> TableReport {
    let (table, version) = (table.to_owned(), Some(4));
    TableReport {
        layer,
        table,
        how,
        counts,
        version,
        columns_change: false,
        maintenance: Maintenance::default(),
        milliseconds: 5,
    }
}

fn report() -> run::Report {
    let changed = Counts { before: 9, after: 10, inserted: 3, updated: 1, deleted: 2 };
    let same = Counts { before: 5, after: 5, ..Counts::default() };
    let about = "orders without a customer".to_owned();
    run::Report {
        as_of: "2026-03-02T03:00:00Z".parse().unwrap(),
        reconciled: false,
        tables: vec![
            table(Layer::Silver, "custtable", How::Changes, changed),
            table(Layer::Gold, "customers", How::Whole, changed),
            table(Layer::Gold, "channels", How::Unchanged, same),
        ],
        left_out: vec![],
        skipped_folders: vec![SkippedFolder {
            folder: "2026-03-01T00.00.00Z".to_owned(),
            reason: "it has no model.json".to_owned(),
        }],
        overlay: Additions::default(),
        rejected: [("no_party".to_owned(), 2), ("no_name".to_owned(), 1)].into(),
        gaps: vec![
            Gap { check: "orders_customers".to_owned(), about: about.clone(), gaps: 3, of: 10 },
            Gap { check: "orders_channels".to_owned(), about, gaps: 0, of: 10 },
        ],
        newest_source_row: "2026-03-02T02:41:00Z".parse().ok(),
        problems: vec![],
        milliseconds: 77,
    }
}

#[test]
fn a_run_tells_of_its_tables_and_comes_to_what_the_alarms_count() {
    let kept = Kept::new();
    let newest_source_row = report().newest_source_row;
    let expected = Summary { tables: 2, changed: 1, rows: 15, rejected: 3, newest_source_row };
    assert_eq!(log_report(&report()), Ok(expected));
    let lines = kept.take();
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    assert_eq!(of("rowsRejected").len(), 2);
    assert_eq!(of("folderSkipped")[0]["folder"], "2026-03-01T00.00.00Z");
    assert_eq!(of("checkFailed").len(), 1);
    assert_eq!(of("tableUnchanged")[0]["table"], "channels");
    let published = of("tablePublished");
    assert_eq!((&published[0]["layer"], &published[0]["whole"]), (&Value::from("silver"), &Value::from(false)));
    assert_eq!((&published[1]["layer"], &published[1]["whole"]), (&Value::from("gold"), &Value::from(true)));
}

#[test]
fn a_run_that_the_gate_stopped_names_its_checks_once_and_no_row() {
    let kept = Kept::new();
    let problem = |rule, table: &str| GateError {
        rule,
        table: table.to_owned(),
        message: "6 of 9 rows".to_owned(),
        example: Some("usmf-004021".to_owned()), // a customer, whom no line names
    };
    let problems =
        vec![problem("row_loss", "customers"), problem("row_loss", "channels"), problem("keys", "customers")];
    let stopped = log_report(&run::Report { problems, ..report() }).unwrap_err();
    let checks = ["keys", "row_loss"].map(str::to_owned).to_vec();
    let detail = "customers: 6 of 9 rows; channels: 6 of 9 rows; customers: 6 of 9 rows".to_owned();
    assert_eq!(stopped, JobError::Stopped { checks, detail });
    assert!(!kept.events().contains(&"tablePublished".to_owned()), "nothing was published");
}
