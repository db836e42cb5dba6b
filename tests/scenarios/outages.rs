//! Dependencies that are away for hours. Nothing is given up because of it, nobody is hammered while away, and what has
//! waited is done soon after.

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
    /// Requests that the dependency got while it was away.
    knocks: usize,
    sales: usize,
}

/// The dependency answers 503 for `hours`, while the shop sells something every ten minutes.
async fn outage(dependency: Dependency, hours: i64) -> Outage {
    let mut test = TestEnvironment::usual().await;
    test.checkout(None, Some("before@example.org"));
    test.minute().await;
    let calls = Calls::default();
    let away = move |call: &Call| {
        if call.dependency == dependency {
            FaultAction::Refuse(ErrorReply::bare(StatusCode::SERVICE_UNAVAILABLE))
        } else {
            FaultAction::Serve
        }
    };
    test.environment.network().set_faults(Script::new(&calls, away));
    let sales = usize::try_from(hours * 6).unwrap();
    for sale in 0..sales {
        test.checkout(None, Some(&format!("guest{sale}@example.org")));
        test.pass(TimeDelta::minutes(10)).await;
    }
    let counts = test.environment.counts();
    assert_eq!(counts.dead_lettered, 0, "nothing is given up because of an outage: {counts:?}");
    test.environment.network().set_faults(NoFaults::default());
    Outage { test, knocks: calls.at(dependency), sales }
}

impl Outage {
    /// Everything is done within `time` of the dependency's return.
    async fn ends_well_within(mut self, time: TimeDelta) {
        self.test.pass(time).await;
        assert_eq!(self.test.environment.dataverse().started().len(), self.sales + 1);
        self.test.assert_clean(&CONFIRMATION);
    }

    /// The order in which the journeys of the outage's sales were started, by sale.
    fn order(&self) -> Vec<usize> {
        let number = |email: &str| email.strip_prefix("guest")?.split('@').next()?.parse().ok();
        let started = self.test.environment.dataverse().started();
        started.iter().filter_map(|it| number(it.parameters["msdynmkt_receiptemail"].as_str()?)).collect()
    }
}

/// No wait is longer than `RetryLongestDelay`, 15 minutes.
const LONGEST_WAIT: TimeDelta = TimeDelta::minutes(16);

#[tokio::test]
async fn dataverse_is_away_for_six_hours() {
    let outage = outage(Dependency::Dataverse, 6).await;
    // 36 messages, each tried a few times at first and then every quarter of an hour; three requests a try.
    let most = 36 * (8 + 6 * 4) * 3;
    assert!(outage.knocks < most, "{} requests", outage.knocks);
    outage.ends_well_within(LONGEST_WAIT).await;
}

#[tokio::test]
async fn cosmos_db_is_away_for_an_hour() {
    let outage = outage(Dependency::Cosmos, 1).await;
    // Three polls a minute that look for due records, each repeated by the SDK.
    assert!(outage.knocks < 60 * 3 * 12, "{} requests", outage.knocks);
    outage.ends_well_within(LONGEST_WAIT).await;
}

#[tokio::test]
async fn service_bus_is_away_for_an_hour() {
    let outage = outage(Dependency::ServiceBus, 1).await;
    assert!(outage.knocks < 60 * 3 * 4, "{} requests", outage.knocks);
    outage.ends_well_within(TimeDelta::minutes(5)).await;
}

#[tokio::test]
async fn the_scale_unit_is_away_for_a_day() {
    let mut outage = outage(Dependency::Commerce, 24).await;
    // Three polls a minute, one search each, and nothing else is even tried.
    assert!(outage.knocks <= 24 * 60 * 3 * 2, "{} requests", outage.knocks);
    outage.test.minute().await;
    let order = outage.order();
    assert_eq!(order.len(), outage.sales);
    // What goes on at once may overtake each other, and one slow reply is overtaken by many: nearly is what is wanted.
    let overtaken = (0..order.len()).map(|at| order[at..].iter().filter(|sale| **sale < order[at]).count());
    let pairs = order.len() * (order.len() - 1) / 2;
    assert!(overtaken.sum::<usize>() < pairs / 4, "nearly in order of age: {order:?}");
    outage.ends_well_within(TimeDelta::minutes(5)).await;
}
