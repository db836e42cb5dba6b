//! Every single fault: each request of a checkout and its cart event, with each fault, once and for longer than the retry
//! horizon.
//!
//! All days together take too long for the usual test run. `FAULT_SHARE=20 FAULT_PAIRS=100` lives through a sample, and writes
//! what became of the events to `target/tmp/single-faults`.

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

/// Lives through all days of this form with requests to these dependencies.
async fn enumerate(form: Form, dependencies: &[Dependency]) {
    let share = usize::try_from(number("FAULT_SHARE")).unwrap();
    if share == 0 {
        println!("left out: FAULT_SHARE is the share of the days to live through, in percent");
        return;
    }
    let mut points = points().await;
    points.retain(|point| dependencies.contains(&point.dependency));
    if form == Form::Lasting {
        let mut kinds = BTreeSet::new();
        points.retain(|point| kinds.insert(point.kind));
    }
    let requests = points.len();
    let mut random = Random(number("FAULT_SEED").max(1));
    let days =
        points.into_iter().flat_map(|at| Fault::ALL.map(|fault| Planned { at, fault, lasts: form == Form::Lasting }));
    let all: Vec<_> = days.collect();
    let days = all.iter().copied().filter(|_| random.below(100) < share);
    let (hanging, others): (Vec<_>, Vec<_>) = days.partition(|day| day.fault.hangs());
    let (mut seen, mut failed) = (Seen::new(form), Vec::new());
    for (days, concurrency) in [(hanging, HANGING_CONCURRENCY), (others, CONCURRENCY)] {
        // A task for each day, so that a failed one does not end the others.
        let lived = stream::iter(days).map(|day| async move { (day, tokio::spawn(live(vec![day])).await) });
        let lived: Vec<_> = lived.buffer_unordered(concurrency).collect().await;
        for (day, outcome) in lived {
            match outcome {
                Ok(outcome) => seen.add(day, outcome),
                Err(error) => failed.push(format!("{day:?}: {}", first_line(error))),
            }
        }
    }
    seen.write();
    let (lived, all) = (seen.days(), all.len());
    println!("{lived} of {all} days: {requests} requests, {} faults, {form:?}", Fault::ALL.len());
    assert!(failed.is_empty(), "{} days failed:\n{}", failed.len(), failed.join("\n"));
}

fn number(variable: &str) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Lives through days with two faults each, drawn at random with a seed.
#[tokio::test]
async fn two_faults_at_once() {
    let (pairs, seed) = (number("FAULT_PAIRS"), number("FAULT_SEED").max(1));
    if pairs == 0 {
        println!("left out: FAULT_PAIRS is the number of days with two faults each");
        return;
    }
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
    println!("{pairs} days with two faults, of about {all} pairs, seed {seed}");
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
