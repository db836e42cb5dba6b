//! Two instances of the function app with one container and one subscription. They are killed alternately.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::host::KillScope;

use crate::environment::{Plan, all_journeys};

#[tokio::test]
async fn two_instances_killed_alternately_lose_nothing_and_repeat_only_uncertain_journeys() {
    let journeys = all_journeys().replace("\"hold\"", "\"retry\"");
    let mut test = Plan::usual().with_journeys(journeys).open().await;
    test.add_instance().await;
    for round in 0..14_u64 {
        for action in test.shop().plan(3, round) {
            test.shop().perform(&action).unwrap();
        }
        // At a different request each time.
        let calls =
            |test: &crate::environment::TestEnvironment| test.environment.network().calls().values().sum::<u64>();
        let threshold = calls(&test) + 5 + round * 11 % 97;
        test.until(|test| calls(test) >= threshold).await;
        let scope = if round % 4 < 2 { KillScope::Process } else { KillScope::Instance };
        let instance = usize::try_from(round % 2).unwrap();
        test.instance(instance).replace_handler(scope).await;
        assert!(test.instance(instance).ready().await);
        test.pass(TimeDelta::seconds(45)).await;
    }
    test.pass(TimeDelta::minutes(20)).await;
    let audit = test.environment.audit(&Journey::ALL, &[]);
    assert!(audit.lost.is_empty() && audit.misdirected.is_empty() && audit.duplicate_contacts.is_empty(), "{audit:#?}");
    assert_eq!(audit.left_over.dead_lettered, 0, "{audit:#?}");
    let documents = test.environment.cosmos().documents().await.unwrap();
    for repeated in audit.duplicated.iter().chain(&audit.uncertain) {
        let journey = repeated.journey.unwrap().name();
        let of_event = || documents.iter().filter(|document| document["EventTransactionId"] == repeated.event.as_str());
        let uncertain = of_event().filter_map(|record| record["journeys"][journey]["uncertain"].as_u64()).max();
        let records: Vec<_> = of_event().collect();
        assert!(uncertain >= Some(1), "repeated but not uncertain: {repeated}: {records:#?}");
    }
}
