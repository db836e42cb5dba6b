//! Time-outs and stops with invocations in progress.

use super::*;

/// The app with more concurrent messages.
fn with_concurrency(calls: usize) -> (Environment, crate::clock::TimeHold) {
    let host = ALL[0].1.replace("\"maxConcurrentCalls\": 2", &format!("\"maxConcurrentCalls\": {calls}"));
    environment(&[("host.json", &host), ALL[2]], &settings())
}

async fn received(environment: &Environment, calls: usize) {
    while environment.seen.calls().len() < calls {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_time_out_kills_the_handler_that_lives() {
    let (environment, hold) = with_concurrency(3);
    let mut events = environment.host.events();
    // The host waits for a result after an answer without one.
    environment.seen.answers.lock().unwrap().extend([(200, "application/json", ""); 3]);
    (0..3).for_each(|_| environment.queue.send("x"));
    received(&environment, 3).await;
    drop(hold);
    let mut killed = 0;
    while killed < 3 {
        if matches!(next(&mut events).await, HostEvent::HandlerDied(Cause::TimedOut)) {
            killed += 1;
        }
    }
    assert!(environment.host.ready().await);
}

#[tokio::test]
async fn a_graceful_stop_lets_functions_end_and_completes_no_message() {
    let (environment, hold) = with_queue();
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(8);
    environment.queue.send("x");
    received(&environment, 1).await;
    let platform = environment.host.platform();
    let stopped = tokio::spawn(async move { platform.replace_handler(KillScope::GracefulStop).await });
    wait_until_stopping(&environment).await;
    environment.queue.send("not received by the stopping instance");
    drop(hold);
    let unsettled = wait_for(&mut events, |event| matches!(event, HostEvent::Unsettled { .. })).await;
    assert!(matches!(unsettled, HostEvent::Unsettled { reason, .. } if reason.contains("stopping")));
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    stopped.await.unwrap();
    // The next instance receives the other message. The lock of the first one expires.
    assert_eq!(ended(&mut events).await.1, Outcome::Succeeded);
    assert_eq!(environment.queue.counts(), (1, 0, 0, 1));
}

#[tokio::test]
async fn a_graceful_stop_waits_ten_seconds() {
    let (environment, hold) = with_queue();
    let mut events = environment.host.events();
    *environment.seen.sleep.lock().unwrap() = Duration::from_secs(60);
    environment.queue.send("x");
    received(&environment, 1).await;
    let platform = environment.host.platform();
    let stopped = tokio::spawn(async move { platform.replace_handler(KillScope::GracefulStop).await });
    wait_until_stopping(&environment).await;
    drop(hold);
    let (_, outcome, took) = ended(&mut events).await;
    assert_eq!((outcome, took), (Outcome::Lost, TimeDelta::seconds(10)));
    stopped.await.unwrap();
    assert_eq!(environment.queue.counts(), (0, 0, 0, 1));
}

async fn wait_until_stopping(environment: &Environment) {
    while !environment.host.inner.handler_state.borrow().stopping {
        tokio::task::yield_now().await;
    }
}
