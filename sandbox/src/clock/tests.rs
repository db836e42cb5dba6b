use super::*;

fn midnight() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

#[tokio::test]
async fn sleepers_wake_in_order_when_there_is_no_hold() {
    let clock = Clock::simulated(midnight());
    let late = clock.sleep(Duration::from_secs(7200));
    let early = clock.sleep(Duration::from_secs(3600));
    let (late_at, early_at) = tokio::join!(
        async {
            let _hold = late.await;
            clock.now()
        },
        async {
            let _hold = early.await;
            clock.now()
        }
    );
    assert_eq!(early_at, midnight() + TimeDelta::hours(1));
    assert_eq!(late_at, midnight() + TimeDelta::hours(2));
}

#[tokio::test]
async fn time_stops_while_there_is_a_hold() {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { drop(clock.sleep(Duration::from_secs(1)).await) }
    });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(clock.now(), midnight());
    drop(hold);
    sleeper.await.unwrap();
    assert_eq!(clock.now(), midnight() + TimeDelta::seconds(1));
}

#[tokio::test]
async fn a_cancelled_sleep_does_not_stop_time() {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    let mut cancelled = Box::pin(clock.sleep(Duration::from_secs(60)));
    assert!(futures::poll!(&mut cancelled).is_pending());
    drop(cancelled);
    drop(hold);
    drop(clock.sleep(Duration::from_secs(3600)).await);
    assert_eq!(clock.now(), midnight() + TimeDelta::hours(1));
    let Time::Simulated(simulation) = &clock.time else { unreachable!() };
    assert!(simulation.lock().sleepers.is_empty());
}

#[tokio::test]
async fn a_sleep_inside_an_invocation_lets_time_continue() {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    clock.sleep_inside(Duration::from_secs(30)).await;
    assert_eq!(clock.now(), midnight() + TimeDelta::seconds(30));
    drop(hold);
}

#[tokio::test]
async fn a_sleep_inside_without_a_hold_changes_no_holds() {
    let clock = Clock::simulated(midnight());
    clock.sleep_inside(Duration::from_secs(30)).await;
    drop(clock.sleep(Duration::from_secs(30)).await);
    assert_eq!(clock.now(), midnight() + TimeDelta::seconds(60));
}

#[tokio::test]
async fn an_invocation_that_ends_during_its_sleep_leaves_no_hold() {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    let mut sleep = Box::pin(clock.sleep_inside(Duration::from_secs(60)));
    assert!(futures::poll!(&mut sleep).is_pending());
    // The host's time-out ends the invocation, and then the handler is killed.
    drop(hold);
    drop(sleep);
    let passed = tokio::time::timeout(Duration::from_secs(10), clock.sleep(Duration::from_secs(3600)));
    drop(passed.await.expect("time does not continue"));
    let hold = clock.hold();
    let (now, mut sleep) = (clock.now(), Box::pin(clock.sleep(Duration::from_secs(60))));
    for _ in 0..1000 {
        assert!(futures::poll!(&mut sleep).is_pending());
        tokio::task::yield_now().await;
    }
    assert_eq!(clock.now(), now);
    drop(hold);
}

/// A poll that repeats two requests waits for the later one when the earlier one is done.
#[tokio::test]
async fn an_invocation_whose_parts_sleep_at_the_same_time_continues_when_the_first_is_done() {
    let clock = Clock::simulated(midnight());
    let hold = clock.hold();
    let parts = async {
        tokio::join!(clock.sleep_inside(Duration::from_secs(30)), clock.sleep_inside(Duration::from_secs(60)));
    };
    tokio::time::timeout(Duration::from_secs(60), parts).await.expect("time does not continue");
    assert_eq!(clock.now(), midnight() + TimeDelta::seconds(60));
    // The hold is there again.
    let mut sleep = Box::pin(clock.sleep(Duration::from_secs(60)));
    for _ in 0..1000 {
        assert!(futures::poll!(&mut sleep).is_pending());
        tokio::task::yield_now().await;
    }
    drop(hold);
    drop(sleep.await);
    assert_eq!(clock.now(), midnight() + TimeDelta::seconds(120));
}
