use std::collections::BTreeMap;

use chrono::DateTime;
use uuid::Uuid;

use super::plan::{Conclusion, Force, JourneyPlan, Selection, StartOptions, mark_interrupted};
use super::prospect::Prospect;
use crate::contacts::Person;
use crate::events::{CommerceEvent, JourneyOutcome, Message, Reason, ReasonCode, Record, Status};
use crate::journeys::{Journeys, View};

const BODY: &str = r#"{"OrderDetails":{"LoyaltyCardId":"L1"},"CustomerDetails":null,"EventDetails":{
    "EventTransactionId":"T1","EventDateTime":"2024-07-24T14:17:02Z","EventType":"Checkout","EventChannelId":"1"}}"#;

/// Two wanted journeys, of which the second is held when it is uncertain, and a skipped one.
const JOURNEYS: &str = r#"{"journeys":[
    {"name":"confirm","eventType":"Checkout","trigger":"a","parameters":{}},
    {"name":"careful","eventType":"Checkout","trigger":"b","onUncertain":"hold","parameters":{}},
    {"name":"invite","eventType":"Checkout","trigger":"c","parameters":{},
     "conditions":[{"pointer":"/OrderDetails/LoyaltyCardId","is":"empty"}]}]}"#;

fn record() -> Record {
    let event: CommerceEvent = Message::decode(BODY.as_bytes()).unwrap().event;
    let now = DateTime::UNIX_EPOCH;
    let mut record = Record::new(event, Uuid::nil(), now, now);
    record.publish(now, now);
    record
}

/// The names of the triggered and of the held journeys.
fn apply(record: &mut Record, options: &StartOptions) -> (Vec<String>, Vec<String>) {
    let journeys = Journeys::read(JOURNEYS, |_| None).unwrap();
    let message = Message::decode(BODY.as_bytes()).unwrap();
    let person = Person { number: Some("1".to_owned()), ..Person::default() };
    let due = journeys.of_type("Checkout").filter(|journey| options.selects(journey)).collect();
    let plan = JourneyPlan::new(&Prospect { due, ..Prospect::default() }, &View::new(&message), &person);
    let Selection { to_trigger, held } = plan.apply(record, options);
    let names = |journeys: Vec<&crate::journeys::Journey>| journeys.into_iter().map(|it| it.name.clone()).collect();
    (names(to_trigger), names(held))
}

fn outcome(code: ReasonCode, uncertain: u32, failed: bool) -> JourneyOutcome {
    let reason = Reason::new(code, "test");
    if failed { JourneyOutcome::Failed { reason, uncertain } } else { JourneyOutcome::Waiting { reason, uncertain } }
}

#[test]
fn a_new_event_triggers_the_wanted_journeys_and_records_the_skipped_one() {
    let mut record = record();
    let (triggered, held) = apply(&mut record, &StartOptions::default());
    assert_eq!((triggered, held.len()), (vec!["confirm".to_owned(), "careful".to_owned()], 0));
    assert!(matches!(record.journeys()["invite"], JourneyOutcome::Skipped { .. }));
}

#[test]
fn a_started_journey_is_triggered_again_with_force_only() {
    let mut record = record();
    record.set_journey_outcome("confirm", JourneyOutcome::Started { at: DateTime::UNIX_EPOCH, uncertain: 0 });
    assert_eq!(apply(&mut record, &StartOptions::default()).0, ["careful"]);
    let force = StartOptions { force: Force::Started, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &force).0, ["confirm", "careful"]);
}

#[test]
fn a_release_triggers_what_is_held_and_not_what_has_started() {
    let mut record = record();
    record.set_journey_outcome("confirm", JourneyOutcome::Started { at: DateTime::UNIX_EPOCH, uncertain: 0 });
    record.set_journey_outcome("careful", outcome(ReasonCode::Held, 1, true));
    record.fail(Reason::new(ReasonCode::Held, "test"), DateTime::UNIX_EPOCH, 1);
    let release = StartOptions { reopen: true, force: Force::Held, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &release), (vec!["careful".to_owned()], Vec::new()));
}

#[test]
fn journeys_that_an_operator_does_not_name_stay_as_they_are() {
    let mut record = record();
    record.set_journey_outcome("careful", outcome(ReasonCode::Held, 1, true));
    let before = record.journeys()["careful"].clone();
    let only = Some(["confirm".to_owned()].into());
    let options = StartOptions { reopen: true, force: Force::Started, only, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &options).0, ["confirm"]);
    assert_eq!(record.journeys()["careful"], before);
    assert!(!record.journeys().contains_key("invite"), "a skipped journey that is not named is not recorded");
}

#[test]
fn a_journey_that_a_rescheduled_message_reports_as_started_is_not_triggered() {
    let mut record = record();
    let started = BTreeMap::from([("confirm".to_owned(), DateTime::UNIX_EPOCH)]);
    let options = StartOptions { started, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &options).0, ["careful"]);
    assert!(matches!(record.journeys()["confirm"], JourneyOutcome::Started { .. }));
}

#[test]
fn an_uncertain_journey_is_retried_or_held_as_configured() {
    let mut record = record();
    let triggering = ["confirm".to_owned(), "careful".to_owned()];
    let marked = mark_interrupted(&mut record, &triggering, &StartOptions::default());
    assert_eq!(marked, triggering);
    let (triggered, held) = apply(&mut record, &StartOptions::default());
    assert_eq!((triggered, held), (vec!["confirm".to_owned()], vec!["careful".to_owned()]));
    assert_eq!(record.uncertain("confirm"), 1);
}

#[test]
fn a_failed_journey_is_triggered_again_after_a_reopen_only() {
    let mut record = record();
    record.set_journey_outcome("confirm", outcome(ReasonCode::TriggerRefused, 0, true));
    assert_eq!(apply(&mut record, &StartOptions::default()).0, ["careful"]);
    let reopen = StartOptions { reopen: true, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &reopen).0, ["confirm", "careful"]);
}

#[test]
fn a_final_record_selects_nothing_unless_it_is_reopened() {
    let mut record = record();
    record.fail(Reason::new(ReasonCode::TriggerRefused, "test"), DateTime::UNIX_EPOCH, 1);
    assert!(apply(&mut record, &StartOptions::default()).0.is_empty());
    assert_eq!(record.status(), Status::Failed);
    let reopen = StartOptions { reopen: true, ..StartOptions::default() };
    assert_eq!(apply(&mut record, &reopen).0.len(), 2);
    assert_eq!(record.status(), Status::Processing);
}

#[test]
fn a_waiting_journey_counts_more_than_a_failed_one() {
    let mut record = record();
    assert_eq!(Conclusion::of(&record), Conclusion::Completed);
    record.set_journey_outcome("confirm", outcome(ReasonCode::TriggerRefused, 0, true));
    assert!(matches!(Conclusion::of(&record), Conclusion::Failed(_)));
    record.set_journey_outcome("careful", outcome(ReasonCode::DataverseUnavailable, 0, false));
    assert!(
        matches!(Conclusion::of(&record), Conclusion::Retry(reason) if reason.code == ReasonCode::DataverseUnavailable)
    );
}
