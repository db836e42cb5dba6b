//! A shop's day becomes journeys.

use sandbox::audit::Journey;

use crate::town::{Plan, all_journeys};

#[tokio::test]
async fn a_day_of_all_kinds_of_sales_starts_every_journey_once() {
    let mut town = Plan::usual().with_journeys(all_journeys()).open().await;
    for action in town.shop().plan(60, 7) {
        town.shop().perform(&action).unwrap();
    }
    town.minute().await;
    town.minute().await;
    let audit = town.world.audit(&Journey::ALL, &[]);
    assert!(audit.expected() > 150, "{audit:#?}");
    town.assert_clean(&Journey::ALL);
    for ((transaction, _), record) in town.records().await {
        assert_eq!(record["status"], "processed", "{transaction}: {record:#}");
    }
}
