//! The fate of each call, out of a seed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{FaultProfile, FaultRates, mix, refusals};
use crate::clock::Clock;
use crate::network::{BoxFuture, Call, Dependency, FaultAction, FaultInjector};

/// The length of a stretch that can be a bad one, in milliseconds.
const STRETCH: i64 = 10_000;

/// A climate's weather: the same for the same seed.
///
/// A call's fate depends on who is called, on how many calls that dependency had before, and on whether it has one of
/// its bad stretches, which lie in time; never on the calls of others.
#[derive(Clone, Debug)]
pub struct SeededFaults {
    climate: FaultProfile,
    seed: u64,
    clock: Clock,
    began: DateTime<Utc>,
}

impl SeededFaults {
    /// The weather from now on.
    pub fn new(climate: FaultProfile, seed: u64, clock: Clock) -> Self {
        Self { climate, seed, began: clock.now(), clock }
    }

    /// The latency and the fate of the dependency's `number`th call (from 0), were it made at `now`.
    pub fn plan(&self, dependency: Dependency, number: u64, now: DateTime<Utc>) -> (Duration, FaultAction) {
        let conditions = self.climate.of(dependency);
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[dependency as u64, number]));
        let latency = conditions.latency.at(rng.random());
        let factor = if self.is_bad(dependency, &conditions, now) { conditions.burst.factor } else { 1.0 };
        let fate = decide(dependency, &conditions, factor, &mut rng, now);
        (latency, fate)
    }

    fn is_bad(&self, dependency: Dependency, conditions: &FaultRates, now: DateTime<Utc>) -> bool {
        let stretch = (now - self.began).num_milliseconds().div_euclid(STRETCH);
        let place = u64::from_ne_bytes(stretch.to_ne_bytes());
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0xbad, dependency as u64, place]));
        rng.random_bool(conditions.burst.chance.clamp(0.0, 1.0))
    }
}

fn decide(
    dependency: Dependency,
    conditions: &FaultRates,
    factor: f64,
    rng: &mut StdRng,
    now: DateTime<Utc>,
) -> FaultAction {
    // Even in the worst stretch some calls get through.
    let factor = if factor == 1.0 { 1.0 } else { factor.min(0.9 / conditions.faults.sum().max(0.1)) };
    let mut left: f64 = rng.random();
    let struck = conditions.faults.all().iter().position(|chance| {
        left -= chance * factor;
        left < 0.0
    });
    // In the order of the fields of `Faults`.
    match struck {
        Some(0) => FaultAction::Refuse(refusals::throttled(dependency, rng, now)),
        Some(1) => FaultAction::Refuse(refusals::unavailable(dependency, rng, now)),
        Some(2) => FaultAction::Refuse(refusals::failing(dependency, rng)),
        Some(3) => FaultAction::Refuse(refusals::gateway(rng)),
        Some(4) => FaultAction::ReplaceReply(refusals::gateway(rng)),
        Some(5) => FaultAction::ResetBefore,
        Some(6) => FaultAction::ResetAfter,
        Some(7) => FaultAction::TruncateReply,
        Some(_) => FaultAction::Hang,
        None => FaultAction::Serve,
    }
}

impl FaultInjector for SeededFaults {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let (latency, fate) = self.plan(call.dependency, call.own_number, self.clock.now());
        Box::pin(async move {
            if !latency.is_zero() {
                // The network takes the machine's time, in simulated time too: there it takes none.
                tokio::time::sleep(latency).await;
            }
            fate
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::faults::{Burst, Faults};
    use crate::network::{Network, Served};

    fn plans(seeded: &SeededFaults, dependency: Dependency, calls: u64) -> Vec<(Duration, FaultAction)> {
        (0..calls).map(|number| seeded.plan(dependency, number, seeded.began)).collect()
    }

    fn storm(seed: u64) -> SeededFaults {
        let mut seeded = SeededFaults::new(FaultProfile::storm(), seed, Clock::real());
        seeded.began = DateTime::UNIX_EPOCH;
        seeded
    }

    #[test]
    fn one_seed_is_one_weather() {
        for dependency in Dependency::ALL {
            assert_eq!(plans(&storm(7), dependency, 500), plans(&storm(7), dependency, 500));
            assert_ne!(plans(&storm(7), dependency, 500), plans(&storm(8), dependency, 500));
        }
        assert_ne!(plans(&storm(7), Dependency::Cosmos, 500), plans(&storm(7), Dependency::Entra, 500));
    }

    /// The share of disturbed calls, calls being spread over time.
    fn share(climate: &FaultProfile, seed: u64) -> f64 {
        let seeded = SeededFaults::new(climate.clone(), seed, Clock::real());
        let now = |number: u64| seeded.began + Duration::from_millis(number * 1000);
        let calls = (0..3_000_u64).flat_map(|number| Dependency::ALL.map(|dependency| (dependency, number)));
        let bad = calls
            .filter(|(dependency, number)| seeded.plan(*dependency, *number, now(*number)).1 != FaultAction::Serve);
        bad.count() as f64 / 15_000.0
    }

    #[test]
    fn the_weather_is_as_bad_as_it_is_called() {
        for seed in 1..=3 {
            let (rough, storm) = (share(&FaultProfile::rough(), seed), share(&FaultProfile::storm(), seed));
            assert!((0.02..=0.03).contains(&rough), "{rough}");
            assert!((0.08..=0.12).contains(&storm), "{storm}");
            assert_eq!(share(&FaultProfile::none(), seed), 0.0);
        }
    }

    #[test]
    fn a_bad_stretch_is_worse_and_lasts_ten_seconds() {
        let mut conditions =
            FaultRates { faults: Faults { failing: 0.1, ..Faults::default() }, ..FaultRates::default() };
        let calm = SeededFaults::new(FaultProfile::everywhere(conditions), 1, Clock::real());
        conditions.burst = Burst { chance: 1.0, factor: 4.0 };
        let bad = SeededFaults { climate: FaultProfile::everywhere(conditions), ..calm.clone() };
        let disturbed = |seeded: &SeededFaults| {
            plans(seeded, Dependency::Entra, 2000).iter().filter(|(_, fate)| *fate != FaultAction::Serve).count()
        };
        assert!((150..250).contains(&disturbed(&calm)));
        assert!((700..900).contains(&disturbed(&bad)));

        let seeded = storm(1);
        let conditions = seeded.climate.of(Dependency::Cosmos);
        let is_bad =
            |seconds| seeded.is_bad(Dependency::Cosmos, &conditions, seeded.began + Duration::from_secs(seconds));
        let stretches: Vec<_> = (0..200).map(|stretch| is_bad(stretch * 10)).collect();
        assert!(stretches.iter().any(|bad| *bad) && !stretches.iter().all(|bad| *bad));
        assert!((0..2000).all(|second| is_bad(second) == is_bad(second / 10 * 10)));
    }

    /// A dependency to whom only this happens.
    async fn only(dependency: Dependency, faults: Faults) -> Served {
        let conditions = FaultRates { faults, ..FaultRates::default() };
        let climate = FaultProfile::none().with(dependency, conditions);
        let wire = Network::new(SeededFaults::new(climate, 5, Clock::real()));
        wire.serve(dependency, Router::new().route("/", get(|| async { "all is well" })), None).await.unwrap()
    }

    #[tokio::test]
    async fn throttling_is_said_as_each_dependency_says_it() {
        for dependency in Dependency::ALL {
            let served = only(dependency, Faults { throttled: 1.0, ..Faults::default() }).await;
            let mut forms = BTreeSet::new();
            for _ in 0..20 {
                let reply = reqwest::get(served.url()).await.unwrap();
                assert_eq!(reply.status(), 429);
                let header = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                if dependency == Dependency::Cosmos {
                    assert_eq!(header("x-ms-substatus").unwrap(), "3200");
                    assert!(header("x-ms-retry-after-ms").unwrap().parse::<u64>().unwrap() > 0);
                    continue;
                }
                let wait = header("retry-after").unwrap();
                match wait.parse::<u64>() {
                    Ok(seconds) => drop((forms.insert("seconds"), assert!((1..=3).contains(&seconds)))),
                    Err(_) => drop((forms.insert("date"), DateTime::parse_from_rfc2822(&wait).unwrap())),
                }
                if dependency == Dependency::Dataverse {
                    let body: serde_json::Value = reply.json().await.unwrap();
                    assert!(body["error"]["code"].as_str().unwrap().starts_with("0x8007232"), "{body}");
                }
            }
            assert_eq!(forms.len(), if dependency == Dependency::Cosmos { 0 } else { 2 });
        }
    }

    #[tokio::test]
    async fn servers_fail_with_and_without_a_word_of_their_own() {
        let served = only(Dependency::Dataverse, Faults { failing: 1.0, ..Faults::default() }).await;
        let mut own = BTreeSet::new();
        for _ in 0..20 {
            let reply = reqwest::get(served.url()).await.unwrap();
            assert_eq!(reply.status(), 500);
            own.insert(reply.json::<serde_json::Value>().await.is_ok());
        }
        assert_eq!(own.len(), 2);
        let served = only(Dependency::Entra, Faults { unavailable: 1.0, ..Faults::default() }).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().status(), 503);
        let served = only(Dependency::Commerce, Faults { gateway: 1.0, ..Faults::default() }).await;
        let mut statuses = BTreeSet::new();
        for _ in 0..20 {
            statuses.insert(reqwest::get(served.url()).await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, BTreeSet::from([502, 504]));
    }

    #[tokio::test]
    async fn connections_break_and_replies_end_early() {
        let fault = Faults { broken_before: 1.0, ..Faults::default() };
        assert!(reqwest::get(only(Dependency::Cosmos, fault).await.url()).await.is_err());
        let fault = Faults { broken_after: 1.0, ..Faults::default() };
        let served = only(Dependency::Cosmos, fault).await;
        assert!(reqwest::get(served.url()).await.unwrap().text().await.is_err());
        let fault = Faults { cut_short: 1.0, ..Faults::default() };
        let served = only(Dependency::Cosmos, fault).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().text().await.unwrap(), "all i");
    }
}
