//! Every single fault: each request of a checkout and its cart event, with each fault, once and for longer than the retry
//! horizon.
//!
//! The usual test run lives through all of these days once, and through a sample of the days with two faults. `FAULT_PAIRS=2000`
//! draws more of them, `FAULT_SEED` others, and `FAULT_SHARE=20` lives through a fifth of the days. What became of the events is
//! compared with the tables of `docs/reliability.md`; `UPDATE_TABLES=1` writes them.

mod day;
mod fault;
mod injector;
mod table;

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use sandbox::network::Dependency;
use tokio::task::JoinError;

use self::day::{live, points};
use self::fault::Fault;
use self::injector::Planned;
use self::table::{Form, Seen};
use crate::random::Random;

/// Days that are lived at the same time. A fault that hangs needs little processor time.
const CONCURRENCY: usize = 4;
const HANGING_CONCURRENCY: usize = 16;

/// Days with two faults each in the usual test run.
const PAIRS: usize = 150;

/// Lives through all days of this form with requests to these dependencies.
async fn enumerate(form: Form, dependencies: &[Dependency]) {
    let share = number("FAULT_SHARE", 100);
    let mut points = points().await;
    points.retain(|point| dependencies.contains(&point.dependency));
    if form == Form::Lasting {
        let mut kinds = BTreeSet::new();
        points.retain(|point| kinds.insert(point.kind));
    }
    let requests = points.len();
    let mut random = Random(seed());
    let days =
        points.into_iter().flat_map(|at| Fault::ALL.map(|fault| Planned { at, fault, lasts: form == Form::Lasting }));
    let all: Vec<_> = days.collect();
    let days = all.iter().copied().filter(|_| random.below(100) < share);
    let (hanging, others): (Vec<_>, Vec<_>) = days.partition(|day| day.fault.hangs());
    let (mut seen, mut failed) = (Seen::new(form), Vec::new());
    // A task for each day, so that a failed one does not end the others.
    let live_day = |day| async move { (day, tokio::spawn(live(vec![day])).await) };
    let hanging = stream::iter(hanging).map(live_day).buffer_unordered(HANGING_CONCURRENCY);
    let others = stream::iter(others).map(live_day).buffer_unordered(CONCURRENCY);
    let lived: Vec<_> = stream::select(hanging, others).collect().await;
    for (day, outcome) in lived {
        match outcome {
            Ok(outcome) => seen.add(day, outcome),
            Err(error) => failed.push(format!("{day:?}: {}", first_line(error))),
        }
    }
    let (lived, all) = (seen.days(), all.len());
    println!("lived {lived} of {all} days: {requests} requests, {} faults, {form:?}", Fault::ALL.len());
    assert!(failed.is_empty(), "{} days failed:\n{}", failed.len(), failed.join("\n"));
    seen.compare_with_page();
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seed of the samples.
fn seed() -> u64 {
    number("FAULT_SEED", 1) as u64
}

/// Lives through days with two faults each, drawn at random with a seed.
#[tokio::test]
async fn two_faults_at_once() {
    let (pairs, seed) = (number("FAULT_PAIRS", PAIRS), seed());
    let (points, mut random) = (points().await, Random(seed));
    let draw = |random: &mut Random| {
        let (at, fault) = (points[random.below(points.len())], Fault::ALL[random.below(Fault::ALL.len())]);
        Planned { at, fault, lasts: random.below(4) == 0 }
    };
    let days: Vec<_> = (0..pairs).map(|_| vec![draw(&mut random), draw(&mut random)]).collect();
    let lived = stream::iter(days).map(|day| async move { (format!("{day:?}"), tokio::spawn(live(day)).await) });
    let lived: Vec<_> = lived.buffer_unordered(CONCURRENCY).collect().await;
    let failed: Vec<_> = lived
        .into_iter()
        .filter_map(|(day, outcome)| outcome.err().map(|error| format!("{day}: {}", first_line(error))))
        .collect();
    let all = (points.len() * Fault::ALL.len()).pow(2) / 2;
    println!("lived {pairs} of about {all} days with two faults each, seed {seed}");
    assert!(failed.is_empty(), "{} days failed:\n{}", failed.len(), failed.join("\n"));
}

/// The first line of a panic.
fn first_line(error: JoinError) -> String {
    let panic = error.into_panic();
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    message.lines().next().unwrap_or_default().to_owned()
}

const POLLING: [Dependency; 2] = [Dependency::Entra, Dependency::Commerce];
const DELIVERING: [Dependency; 2] = [Dependency::ServiceBus, Dependency::Dataverse];

#[tokio::test]
async fn each_request_to_the_scale_unit_or_entra_fails_once() {
    enumerate(Form::Once, &POLLING).await;
}

#[tokio::test]
async fn each_request_to_cosmos_db_fails_once() {
    enumerate(Form::Once, &[Dependency::Cosmos]).await;
}

#[tokio::test]
async fn each_request_to_service_bus_or_dataverse_fails_once() {
    enumerate(Form::Once, &DELIVERING).await;
}

#[tokio::test]
async fn each_kind_of_request_to_the_scale_unit_or_entra_fails_for_long() {
    enumerate(Form::Lasting, &POLLING).await;
}

#[tokio::test]
async fn each_kind_of_request_to_cosmos_db_fails_for_long() {
    enumerate(Form::Lasting, &[Dependency::Cosmos]).await;
}

#[tokio::test]
async fn each_kind_of_request_to_service_bus_or_dataverse_fails_for_long() {
    enumerate(Form::Lasting, &DELIVERING).await;
}
