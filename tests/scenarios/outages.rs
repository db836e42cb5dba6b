//! Outages of dependencies for hours. No event fails because of an outage, the number of requests stays limited, and all
//! events are processed soon after the outage.

use chrono::TimeDelta;
use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};

use crate::environment::TestEnvironment;
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// What happened during and after an outage.
struct Outage {
    test: TestEnvironment,
    /// Requests to the dependency during the outage.
    requests: usize,
    sales: usize,
}

/// The dependency returns 503 for `hours`, while the shop sells something every ten minutes.
async fn outage(dependency: Dependency, hours: i64) -> Outage {
    let mut test = TestEnvironment::usual().await;
    test.checkout(None, Some("before@example.org"));
    test.minute().await;
    let calls = Calls::default();
    let unavailable = move |call: &Call| {
        if call.dependency == dependency {
            FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE))
        } else {
            FaultAction::Serve
        }
    };
    test.environment.network().set_faults(Script::new(&calls, unavailable));
    let sales = usize::try_from(hours * 6).unwrap();
    for sale in 0..sales {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::minutes(10)).await;
    }
    let counts = test.environment.counts();
    assert_eq!(counts.dead_lettered, 0, "no event fails because of an outage: {counts:?}");
    test.environment.network().set_faults(NoFaults::default());
    Outage { test, requests: calls.at(dependency), sales }
}

impl Outage {
    /// Asserts that all events are processed within `time` after the outage.
    async fn assert_recovers_within(mut self, time: TimeDelta) {
        self.test.pass(time).await;
        assert_eq!(self.test.environment.dataverse().started().len(), self.sales + 1);
        self.test.assert_clean(&CONFIRMATION);
    }

    /// The sales in the order in which their journeys were started.
    fn order(&self) -> Vec<usize> {
        let number = |email: &str| email.strip_prefix("guest")?.split('@').next()?.parse().ok();
        let started = self.test.environment.dataverse().started();
        started.iter().filter_map(|it| number(it.parameters()["msdynmkt_receiptemail"].as_str()?)).collect()
    }
}

/// The longest retry delay (`RetryLongestDelay`) is 15 minutes.
const LONGEST_DELAY: TimeDelta = TimeDelta::minutes(16);

#[tokio::test]
async fn dataverse_is_unavailable_for_six_hours() {
    let outage = outage(Dependency::Dataverse, 6).await;
    // 36 messages. Each is retried a few times at first and then every quarter of an hour, with three requests per attempt.
    let most = 36 * (8 + 6 * 4) * 3;
    assert!(outage.requests < most, "{} requests", outage.requests);
    outage.assert_recovers_within(LONGEST_DELAY).await;
}

#[tokio::test]
async fn cosmos_db_is_unavailable_for_an_hour() {
    let outage = outage(Dependency::Cosmos, 1).await;
    // Three polls a minute read due records. The SDK retries each request.
    assert!(outage.requests < 60 * 3 * 12, "{} requests", outage.requests);
    outage.assert_recovers_within(LONGEST_DELAY).await;
}

#[tokio::test]
async fn service_bus_is_unavailable_for_an_hour() {
    let outage = outage(Dependency::ServiceBus, 1).await;
    assert!(outage.requests < 60 * 3 * 4, "{} requests", outage.requests);
    outage.assert_recovers_within(TimeDelta::minutes(5)).await;
}

#[tokio::test]
async fn the_scale_unit_is_unavailable_for_a_day() {
    let mut outage = outage(Dependency::Commerce, 24).await;
    // Three polls a minute with one search each, and no other requests.
    assert!(outage.requests <= 24 * 60 * 3 * 2, "{} requests", outage.requests);
    outage.test.minute().await;
    let order = outage.order();
    assert_eq!(order.len(), outage.sales);
    // Concurrent requests may change the order, so it is only nearly in order of age.
    let inversions = (0..order.len()).map(|at| order[at..].iter().filter(|sale| **sale < order[at]).count());
    let pairs = order.len() * (order.len() - 1) / 2;
    assert!(inversions.sum::<usize>() < pairs / 4, "nearly in order of age: {order:?}");
    outage.assert_recovers_within(TimeDelta::minutes(5)).await;
}
