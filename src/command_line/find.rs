//! `commerce-journeys find`: the search of `trigger-journey` without the function app and its key.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use commerce_journeys::clock::SystemClock;
use commerce_journeys::functions::{Services, trigger_journey};
use serde_json::{Map, Value, json};

use super::configuration::{configuration, run_with_settings};
use super::{INVALID, complain, file_of, print, unknown, value_of};

/// The options, and the fields of `find` that they set.
const CRITERIA: [(&str, &str); 9] = [
    ("--sales-id", "salesId"),
    ("--channel-reference-id", "channelReferenceId"),
    ("--receipt-id", "receiptId"),
    ("--transaction-id", "transactionId"),
    ("--customer-number", "customerNumber"),
    ("--contact-id", "contactId"),
    ("--email", "email"),
    ("--status", "status"),
    ("--reason", "reason"),
];

/// A search.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct FindEvents {
    settings: Option<PathBuf>,
    json: bool,
    /// The value of `find` in the request.
    find: Map<String, Value>,
}

impl FindEvents {
    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut parsed = Self::default();
        while let Some(argument) = arguments.next() {
            let criterion = CRITERIA.iter().find(|(option, _)| *option == argument);
            match (argument.as_str(), criterion) {
                (_, Some((_, field))) => {
                    parsed.find.insert((*field).to_owned(), value_of(&argument, arguments.next())?.into());
                }
                ("--max", _) => {
                    let max = value_of(&argument, arguments.next())?;
                    let max: u64 = max.parse().map_err(|_| format!("--max needs a number, not {max:?}"))?;
                    parsed.find.insert("max".to_owned(), max.into());
                }
                ("--json", _) => parsed.json = true,
                ("--settings", _) => parsed.settings = Some(file_of(&argument, arguments.next())?),
                _ => return Err(unknown(&argument)),
            }
        }
        if CRITERIA.iter().any(|(_, field)| parsed.find.contains_key(*field)) {
            return Ok(parsed);
        }
        Err(format!("find needs one of {}", CRITERIA.map(|(option, _)| option).join(", ")))
    }

    /// Runs the search and prints the events.
    pub(crate) async fn run(self) -> ExitCode {
        let outcome = match &self.settings {
            Some(file) => run_with_settings(file, &self.arguments()),
            None => self.run_in_process().await,
        };
        outcome.unwrap_or_else(|problem| {
            complain(&problem);
            ExitCode::from(INVALID)
        })
    }

    /// The same search, without the file of settings.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["find".to_owned()];
        for (option, field) in CRITERIA.iter().chain(&[("--max", "max")]) {
            let value =
                self.find.get(*field).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            arguments.extend(value.into_iter().flat_map(|value| [(*option).to_owned(), value]));
        }
        arguments.extend(self.json.then(|| "--json".to_owned()));
        arguments
    }

    async fn run_in_process(&self) -> Result<ExitCode, String> {
        let (settings, journeys) = configuration(&|name: &str| std::env::var(name).ok())?;
        let services = Services::new(settings, journeys, Arc::new(SystemClock)).map_err(|error| error.to_string())?;
        let answer = trigger_journey(&services, json!({"find": self.find}).to_string().as_bytes()).await;
        if answer.status != 200 {
            return Err(text(&answer.body["error"]["message"]).to_owned());
        }
        let events = answer.body["events"].as_array().map(Vec::as_slice).unwrap_or_default();
        if self.json {
            print(&format!("{:#}\n", answer.body));
        } else {
            print(&render(events, answer.body["next"].is_object()));
        }
        Ok(if events.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn render(events: &[Value], more: bool) -> String {
    let end = match (events.len(), more) {
        (0, _) => "No event was found.\n".to_owned(),
        (count, true) => {
            format!("The latest {count} events. There are more: name another criterion, or raise --max.\n")
        }
        (1, false) => "1 event.\n".to_owned(),
        (count, false) => format!("{count} events.\n"),
    };
    events.iter().map(|event| event_lines(event) + "\n").collect::<String>() + &end
}

/// An event: what it is and how it stands, its numbers, its journeys, and what can be done.
fn event_lines(event: &Value) -> String {
    let mut lines =
        format!("{}  {}  {}\n", text(&event["eventDateTime"]), text(&event["eventType"]), text(&event["status"]));
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            lines += &format!("  {name:<22}{value}\n");
        }
    };
    add("event", text(&event["eventId"]).to_owned());
    add("channel", text(&event["eventChannelId"]).to_owned());
    for (name, field) in [
        ("order", "salesId"),
        ("confirmation number", "channelReferenceId"),
        ("receipt", "receiptId"),
        ("customer", "customerNumber"),
        ("contact", "contactId"),
    ] {
        add(name, text(&event[field]).to_owned());
    }
    add("reason", reason(&event["reason"]));
    for (journey, outcome) in event["journeys"].as_object().into_iter().flatten() {
        add(journey, outcome_text(outcome));
    }
    add("next attempt", next_attempt(&event["nextAttempt"]));
    let possible = event["possible"].as_array().into_iter().flatten().map(text);
    add("possible", possible.collect::<Vec<_>>().join(", "));
    lines
}

fn reason(reason: &Value) -> String {
    match (text(&reason["code"]), text(&reason["detail"])) {
        (code, "") => code.to_owned(),
        (code, detail) => format!("{code}: {detail}"),
    }
}

/// The outcome of a journey, with all that is known about it.
fn outcome_text(outcome: &Value) -> String {
    let fields =
        outcome.as_object().into_iter().flatten().filter(|(name, _)| !["state", "reason"].contains(&name.as_str()));
    let mut parts = vec![text(&outcome["state"]).to_owned()];
    parts
        .extend(fields.map(|(name, value)| {
            format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        }));
    if outcome["reason"].is_object() {
        parts.push(reason(&outcome["reason"]));
    }
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn next_attempt(next: &Value) -> String {
    let when = match (next["at"].as_str(), next["withinSeconds"].as_u64()) {
        (Some(at), _) => format!(" at {at}"),
        (None, Some(seconds)) => format!(" within {seconds} s"),
        (None, None) => String::new(),
    };
    format!("{}{when}", text(&next["by"])).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_with_what_an_operator_asks_for() {
        let event = json!({
            "eventId": "T1~Checkout~20261115T101500.000~usrt", "eventChannelId": "5637144592", "eventType": "Checkout",
            "eventDateTime": "2026-11-15T10:15:00Z", "status": "failed", "salesId": "012345", "receiptId": null,
            "reason": {"code": "held", "detail": "left to a person"},
            "journeys": {"order-confirmation": {"state": "failed", "reason": {"code": "held", "detail": "why"}}},
            "nextAttempt": null, "possible": ["replay", "release", "dismiss"]});
        let shown = render(&[event], false);
        for part in [
            "Checkout  failed",
            "012345",
            "held: left to a person",
            "order-confirmation    failed, held: why",
            "replay, release, dismiss",
            "1 event.",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("receipt") && !shown.contains("next attempt"), "{shown}");
        assert_eq!(render(&[], false), "No event was found.\n");
    }

    #[test]
    fn the_search_is_repeated_with_the_settings_of_a_file() {
        let words = ["--sales-id", "012", "--max", "5", "--json", "--settings", "local.settings.json"];
        let parsed = FindEvents::parse(words.map(str::to_owned).into_iter()).unwrap();
        assert_eq!(parsed.arguments(), ["find", "--sales-id", "012", "--max", "5", "--json"]);
    }
}
