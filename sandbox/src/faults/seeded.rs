//! Draws an action for each call from a seed.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{FaultProfile, FaultRates, error_replies, mix};
use crate::clock::Clock;
use crate::network::{BoxFuture, Call, Dependency, ErrorReply, FaultAction, FaultInjector};

/// The length of a period, in milliseconds.
const PERIOD: i64 = 10_000;

/// The faults of a profile; the same seed gives the same faults.
///
/// The action depends on the dependency, on the number of its earlier calls, and on whether the current period is bad.
/// It does not depend on calls of other dependencies.
#[derive(Clone, Debug)]
pub struct SeededFaults {
    profile: FaultProfile,
    seed: u64,
    clock: Clock,
    began: DateTime<Utc>,
}

impl SeededFaults {
    /// Faults from now on.
    pub fn new(profile: FaultProfile, seed: u64, clock: Clock) -> Self {
        Self { profile, seed, began: clock.now(), clock }
    }

    /// The latency and the action of the dependency's `number`th call (from 0), if it is made at `now`.
    pub fn plan(&self, dependency: Dependency, number: u64, now: DateTime<Utc>) -> (Duration, FaultAction) {
        let rates = self.profile.of(dependency);
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[dependency as u64, number]));
        let latency = rates.latency.at(rng.random());
        let factor = if self.is_bad(dependency, &rates, now) { rates.burst.factor } else { 1.0 };
        let action = decide(dependency, &rates, factor, &mut rng, now);
        (latency, action)
    }

    fn is_bad(&self, dependency: Dependency, rates: &FaultRates, now: DateTime<Utc>) -> bool {
        let period = (now - self.began).num_milliseconds().div_euclid(PERIOD);
        let place = u64::from_ne_bytes(period.to_ne_bytes());
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0xbad, dependency as u64, place]));
        rng.random_bool(rates.burst.probability.clamp(0.0, 1.0))
    }
}

fn decide(
    dependency: Dependency,
    rates: &FaultRates,
    factor: f64,
    rng: &mut StdRng,
    now: DateTime<Utc>,
) -> FaultAction {
    // Even in the worst period some calls succeed.
    let factor = if factor == 1.0 { 1.0 } else { factor.min(0.9 / rates.calls.sum().max(0.1)) };
    let mut left: f64 = rng.random();
    let fault = rates.calls.all().iter().position(|probability| {
        left -= probability * factor;
        left < 0.0
    });
    // In the order of the fields of `CallFaults`.
    match fault {
        Some(0) => FaultAction::Refuse(error_replies::throttled(dependency, rng, now)),
        Some(1) => FaultAction::Refuse(error_replies::unavailable(dependency, rng, now)),
        Some(2) => FaultAction::Refuse(error_replies::server_error(dependency, rng)),
        Some(3) => FaultAction::Refuse(error_replies::gateway(rng)),
        Some(4) => FaultAction::ReplaceReply(error_replies::gateway(rng)),
        Some(5) => FaultAction::ResetBefore,
        Some(6) => FaultAction::ResetAfter,
        Some(7) => FaultAction::TruncateReply,
        Some(8) => FaultAction::Hang,
        Some(9) => FaultAction::Refuse(error_replies::denied(dependency)),
        Some(10) => nonsense(rng),
        Some(_) if dependency == Dependency::Dataverse => FaultAction::Refuse(error_replies::plug_in(rng)),
        Some(_) => FaultAction::Serve,
        None => FaultAction::Serve,
    }
}

fn nonsense(rng: &mut StdRng) -> FaultAction {
    match rng.random_range(0..3) {
        0 => FaultAction::ReplaceReply(ErrorReply::html_page()),
        1 => FaultAction::ReplaceReply(ErrorReply::null()),
        _ => FaultAction::TruncateReply,
    }
}

impl FaultInjector for SeededFaults {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let (latency, action) = self.plan(call.dependency, call.own_number, self.clock.now());
        // A refused update would be skipped, as it should be. The audit could not tell that from a forgotten one.
        let action = match action {
            FaultAction::Refuse(reply) if reply.status == StatusCode::BAD_REQUEST && call.method == Method::PATCH => {
                FaultAction::Serve
            }
            other => other,
        };
        Box::pin(async move {
            if !latency.is_zero() {
                // Latency uses the machine's clock. In simulated time it takes no time.
                tokio::time::sleep(latency).await;
            }
            action
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::Router;
    use axum::routing::get;

    use super::*;
    use crate::faults::{Burst, CallFaults};
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
    fn the_same_seed_gives_the_same_faults() {
        for dependency in Dependency::ALL {
            assert_eq!(plans(&storm(7), dependency, 500), plans(&storm(7), dependency, 500));
            assert_ne!(plans(&storm(7), dependency, 500), plans(&storm(8), dependency, 500));
        }
        assert_ne!(plans(&storm(7), Dependency::Cosmos, 500), plans(&storm(7), Dependency::Entra, 500));
    }

    /// The share of calls with a fault; the calls are spread over time.
    fn share(profile: &FaultProfile, seed: u64) -> f64 {
        let seeded = SeededFaults::new(profile.clone(), seed, Clock::real());
        let now = |number: u64| seeded.began + Duration::from_millis(number * 1000);
        let calls = (0..3_000_u64).flat_map(|number| Dependency::ALL.map(|dependency| (dependency, number)));
        let bad = calls
            .filter(|(dependency, number)| seeded.plan(*dependency, *number, now(*number)).1 != FaultAction::Serve);
        bad.count() as f64 / 15_000.0
    }

    #[test]
    fn profiles_have_the_documented_fault_rates() {
        for seed in 1..=3 {
            let (rough, storm) = (share(&FaultProfile::rough(), seed), share(&FaultProfile::storm(), seed));
            assert!((0.02..=0.03).contains(&rough), "{rough}");
            assert!((0.08..=0.12).contains(&storm), "{storm}");
            assert_eq!(share(&FaultProfile::none(), seed), 0.0);
        }
    }

    #[test]
    fn a_bad_period_has_more_faults_and_lasts_ten_seconds() {
        let mut rates =
            FaultRates { calls: CallFaults { server_error: 0.1, ..CallFaults::default() }, ..FaultRates::default() };
        let normal = SeededFaults::new(FaultProfile::everywhere(rates), 1, Clock::real());
        rates.burst = Burst { probability: 1.0, factor: 4.0 };
        let bad = SeededFaults { profile: FaultProfile::everywhere(rates), ..normal.clone() };
        let faulty = |seeded: &SeededFaults| {
            plans(seeded, Dependency::Entra, 2000).iter().filter(|(_, action)| *action != FaultAction::Serve).count()
        };
        assert!((150..250).contains(&faulty(&normal)));
        assert!((700..900).contains(&faulty(&bad)));

        let seeded = storm(1);
        let rates = seeded.profile.of(Dependency::Cosmos);
        let is_bad = |seconds| seeded.is_bad(Dependency::Cosmos, &rates, seeded.began + Duration::from_secs(seconds));
        let periods: Vec<_> = (0..200).map(|period| is_bad(period * 10)).collect();
        assert!(periods.iter().any(|bad| *bad) && !periods.iter().all(|bad| *bad));
        assert!((0..2000).all(|second| is_bad(second) == is_bad(second / 10 * 10)));
    }

    /// A dependency with these faults only.
    async fn only(dependency: Dependency, faults: CallFaults) -> Served {
        let rates = FaultRates { calls: faults, ..FaultRates::default() };
        let profile = FaultProfile::none().with(dependency, rates);
        let network = Network::new(SeededFaults::new(profile, 5, Clock::real()));
        network.serve(dependency, Router::new().route("/", get(|| async { "all is well" })), None).await.unwrap()
    }

    #[tokio::test]
    async fn each_dependency_reports_throttling_in_its_own_format() {
        for dependency in Dependency::ALL {
            let served = only(dependency, CallFaults { throttled: 1.0, ..CallFaults::default() }).await;
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
    async fn only_dataverse_has_failing_plug_ins() {
        let plug_in = CallFaults { plug_in: 1.0, ..CallFaults::default() };
        for dependency in Dependency::ALL {
            let served = only(dependency, plug_in).await;
            let is_refused = reqwest::get(served.url()).await.unwrap().status() == 400;
            assert_eq!(is_refused, dependency == Dependency::Dataverse);
        }
    }

    #[tokio::test]
    async fn server_errors_come_with_and_without_an_error_body() {
        let served = only(Dependency::Dataverse, CallFaults { server_error: 1.0, ..CallFaults::default() }).await;
        let mut own = BTreeSet::new();
        for _ in 0..20 {
            let reply = reqwest::get(served.url()).await.unwrap();
            assert_eq!(reply.status(), 500);
            own.insert(reply.json::<serde_json::Value>().await.is_ok());
        }
        assert_eq!(own.len(), 2);
        let served = only(Dependency::Entra, CallFaults { unavailable: 1.0, ..CallFaults::default() }).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().status(), 503);
        let served = only(Dependency::Commerce, CallFaults { gateway_before: 1.0, ..CallFaults::default() }).await;
        let mut statuses = BTreeSet::new();
        for _ in 0..20 {
            statuses.insert(reqwest::get(served.url()).await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, BTreeSet::from([502, 504]));
    }

    #[tokio::test]
    async fn every_dependency_hangs_denies_access_or_answers_nonsense_on_request() {
        let client = reqwest::Client::builder().timeout(Duration::from_millis(200)).build().unwrap();
        for dependency in Dependency::ALL {
            let served = only(dependency, FaultRates::hanging().calls).await;
            assert!(client.get(served.url()).send().await.unwrap_err().is_timeout(), "{dependency}");
            let served = only(dependency, FaultRates::refusing().calls).await;
            let status = reqwest::get(served.url()).await.unwrap().status().as_u16();
            assert!([401, 403].contains(&status), "{dependency}: {status}");
            let served = only(dependency, FaultRates::nonsense().calls).await;
            let mut texts = BTreeSet::new();
            for _ in 0..30 {
                let reply = reqwest::get(served.url()).await.unwrap();
                assert_eq!(reply.status(), 200, "{dependency}");
                texts.insert(reply.text().await.unwrap());
            }
            assert_eq!((texts.len(), texts.contains("null"), texts.contains("all i")), (3, true, true), "{texts:?}");
        }
    }

    #[tokio::test]
    async fn connections_are_reset_and_replies_are_truncated() {
        let fault = CallFaults { reset_before: 1.0, ..CallFaults::default() };
        assert!(reqwest::get(only(Dependency::Cosmos, fault).await.url()).await.is_err());
        let fault = CallFaults { reset_after: 1.0, ..CallFaults::default() };
        let served = only(Dependency::Cosmos, fault).await;
        assert!(reqwest::get(served.url()).await.unwrap().text().await.is_err());
        let fault = CallFaults { truncated: 1.0, ..CallFaults::default() };
        let served = only(Dependency::Cosmos, fault).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().text().await.unwrap(), "all i");
    }
}
