//! The fate of each call, out of a seed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{Climate, Conditions, mix, refusals};
use crate::clock::Clock;
use crate::wire::{BoxFuture, Call, Fate, Neighbour, Weather};

/// The length of a stretch that can be a bad one, in milliseconds.
const STRETCH: i64 = 10_000;

/// A climate's weather: the same for the same seed.
///
/// A call's fate depends on who is called, on how many calls that neighbour had before, and on whether it has one of
/// its bad stretches, which lie in time; never on the calls of others.
#[derive(Clone, Debug)]
pub struct Seeded {
    climate: Climate,
    seed: u64,
    clock: Clock,
    began: DateTime<Utc>,
}

impl Seeded {
    /// The weather from now on.
    pub fn new(climate: Climate, seed: u64, clock: Clock) -> Self {
        Self { climate, seed, began: clock.now(), clock }
    }

    /// The latency and the fate of the neighbour's `number`th call (from 0), were it made at `now`.
    pub fn plan(&self, neighbour: Neighbour, number: u64, now: DateTime<Utc>) -> (Duration, Fate) {
        let conditions = self.climate.of(neighbour);
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[neighbour as u64, number]));
        let latency = conditions.latency.at(rng.random());
        let factor = if self.is_bad(neighbour, &conditions, now) { conditions.burst.factor } else { 1.0 };
        let fate = fate(neighbour, &conditions, factor, &mut rng, now);
        (latency, fate)
    }

    fn is_bad(&self, neighbour: Neighbour, conditions: &Conditions, now: DateTime<Utc>) -> bool {
        let stretch = (now - self.began).num_milliseconds().div_euclid(STRETCH);
        let place = u64::from_ne_bytes(stretch.to_ne_bytes());
        let mut rng = StdRng::seed_from_u64(mix(self.seed, &[0xbad, neighbour as u64, place]));
        rng.random_bool(conditions.burst.chance.clamp(0.0, 1.0))
    }
}

fn fate(neighbour: Neighbour, conditions: &Conditions, factor: f64, rng: &mut StdRng, now: DateTime<Utc>) -> Fate {
    // Even in the worst stretch some calls get through.
    let factor = if factor == 1.0 { 1.0 } else { factor.min(0.9 / conditions.faults.sum().max(0.1)) };
    let mut left: f64 = rng.random();
    let struck = conditions.faults.all().iter().position(|chance| {
        left -= chance * factor;
        left < 0.0
    });
    // In the order of the fields of `Faults`.
    match struck {
        Some(0) => Fate::Refuse(refusals::throttled(neighbour, rng, now)),
        Some(1) => Fate::Refuse(refusals::unavailable(neighbour, rng, now)),
        Some(2) => Fate::Refuse(refusals::failing(neighbour, rng)),
        Some(3) => Fate::Refuse(refusals::gateway(rng)),
        Some(4) => Fate::Mask(refusals::gateway(rng)),
        Some(5) => Fate::BreakBefore,
        Some(6) => Fate::BreakAfter,
        Some(7) => Fate::CutShort,
        Some(_) => Fate::Hang,
        None => Fate::Serve,
    }
}

impl Weather for Seeded {
    fn fate(&self, call: &Call) -> BoxFuture<Fate> {
        let (latency, fate) = self.plan(call.neighbour, call.own_number, self.clock.now());
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
    use crate::weather::{Burst, Faults};
    use crate::wire::{Served, Wire};

    fn plans(seeded: &Seeded, neighbour: Neighbour, calls: u64) -> Vec<(Duration, Fate)> {
        (0..calls).map(|number| seeded.plan(neighbour, number, seeded.began)).collect()
    }

    fn storm(seed: u64) -> Seeded {
        let mut seeded = Seeded::new(Climate::storm(), seed, Clock::real());
        seeded.began = DateTime::UNIX_EPOCH;
        seeded
    }

    #[test]
    fn one_seed_is_one_weather() {
        for neighbour in Neighbour::ALL {
            assert_eq!(plans(&storm(7), neighbour, 500), plans(&storm(7), neighbour, 500));
            assert_ne!(plans(&storm(7), neighbour, 500), plans(&storm(8), neighbour, 500));
        }
        assert_ne!(plans(&storm(7), Neighbour::Cosmos, 500), plans(&storm(7), Neighbour::Entra, 500));
    }

    /// The share of disturbed calls, calls being spread over time.
    fn share(climate: &Climate, seed: u64) -> f64 {
        let seeded = Seeded::new(climate.clone(), seed, Clock::real());
        let now = |number: u64| seeded.began + Duration::from_millis(number * 1000);
        let calls = (0..3_000_u64).flat_map(|number| Neighbour::ALL.map(|neighbour| (neighbour, number)));
        let bad = calls.filter(|(neighbour, number)| seeded.plan(*neighbour, *number, now(*number)).1 != Fate::Serve);
        bad.count() as f64 / 15_000.0
    }

    #[test]
    fn the_weather_is_as_bad_as_it_is_called() {
        for seed in 1..=3 {
            let (rough, storm) = (share(&Climate::rough(), seed), share(&Climate::storm(), seed));
            assert!((0.02..=0.03).contains(&rough), "{rough}");
            assert!((0.08..=0.12).contains(&storm), "{storm}");
            assert_eq!(share(&Climate::none(), seed), 0.0);
        }
    }

    #[test]
    fn a_bad_stretch_is_worse_and_lasts_ten_seconds() {
        let mut conditions =
            Conditions { faults: Faults { failing: 0.1, ..Faults::default() }, ..Conditions::default() };
        let calm = Seeded::new(Climate::everywhere(conditions), 1, Clock::real());
        conditions.burst = Burst { chance: 1.0, factor: 4.0 };
        let bad = Seeded { climate: Climate::everywhere(conditions), ..calm.clone() };
        let disturbed = |seeded: &Seeded| {
            plans(seeded, Neighbour::Entra, 2000).iter().filter(|(_, fate)| *fate != Fate::Serve).count()
        };
        assert!((150..250).contains(&disturbed(&calm)));
        assert!((700..900).contains(&disturbed(&bad)));

        let seeded = storm(1);
        let conditions = seeded.climate.of(Neighbour::Cosmos);
        let is_bad =
            |seconds| seeded.is_bad(Neighbour::Cosmos, &conditions, seeded.began + Duration::from_secs(seconds));
        let stretches: Vec<_> = (0..200).map(|stretch| is_bad(stretch * 10)).collect();
        assert!(stretches.iter().any(|bad| *bad) && !stretches.iter().all(|bad| *bad));
        assert!((0..2000).all(|second| is_bad(second) == is_bad(second / 10 * 10)));
    }

    /// A neighbour to whom only this happens.
    async fn only(neighbour: Neighbour, faults: Faults) -> Served {
        let conditions = Conditions { faults, ..Conditions::default() };
        let climate = Climate::none().with(neighbour, conditions);
        let wire = Wire::new(Seeded::new(climate, 5, Clock::real()));
        wire.serve(neighbour, Router::new().route("/", get(|| async { "all is well" })), None).await.unwrap()
    }

    #[tokio::test]
    async fn throttling_is_said_as_each_neighbour_says_it() {
        for neighbour in Neighbour::ALL {
            let served = only(neighbour, Faults { throttled: 1.0, ..Faults::default() }).await;
            let mut forms = BTreeSet::new();
            for _ in 0..20 {
                let reply = reqwest::get(served.url()).await.unwrap();
                assert_eq!(reply.status(), 429);
                let header = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
                if neighbour == Neighbour::Cosmos {
                    assert_eq!(header("x-ms-substatus").unwrap(), "3200");
                    assert!(header("x-ms-retry-after-ms").unwrap().parse::<u64>().unwrap() > 0);
                    continue;
                }
                let wait = header("retry-after").unwrap();
                match wait.parse::<u64>() {
                    Ok(seconds) => drop((forms.insert("seconds"), assert!((1..=3).contains(&seconds)))),
                    Err(_) => drop((forms.insert("date"), DateTime::parse_from_rfc2822(&wait).unwrap())),
                }
                if neighbour == Neighbour::Dataverse {
                    let body: serde_json::Value = reply.json().await.unwrap();
                    assert!(body["error"]["code"].as_str().unwrap().starts_with("0x8007232"), "{body}");
                }
            }
            assert_eq!(forms.len(), if neighbour == Neighbour::Cosmos { 0 } else { 2 });
        }
    }

    #[tokio::test]
    async fn servers_fail_with_and_without_a_word_of_their_own() {
        let served = only(Neighbour::Dataverse, Faults { failing: 1.0, ..Faults::default() }).await;
        let mut own = BTreeSet::new();
        for _ in 0..20 {
            let reply = reqwest::get(served.url()).await.unwrap();
            assert_eq!(reply.status(), 500);
            own.insert(reply.json::<serde_json::Value>().await.is_ok());
        }
        assert_eq!(own.len(), 2);
        let served = only(Neighbour::Entra, Faults { unavailable: 1.0, ..Faults::default() }).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().status(), 503);
        let served = only(Neighbour::Commerce, Faults { gateway: 1.0, ..Faults::default() }).await;
        let mut statuses = BTreeSet::new();
        for _ in 0..20 {
            statuses.insert(reqwest::get(served.url()).await.unwrap().status().as_u16());
        }
        assert_eq!(statuses, BTreeSet::from([502, 504]));
    }

    #[tokio::test]
    async fn connections_break_and_replies_end_early() {
        let fault = Faults { broken_before: 1.0, ..Faults::default() };
        assert!(reqwest::get(only(Neighbour::Cosmos, fault).await.url()).await.is_err());
        let fault = Faults { broken_after: 1.0, ..Faults::default() };
        let served = only(Neighbour::Cosmos, fault).await;
        assert!(reqwest::get(served.url()).await.unwrap().text().await.is_err());
        let fault = Faults { cut_short: 1.0, ..Faults::default() };
        let served = only(Neighbour::Cosmos, fault).await;
        assert_eq!(reqwest::get(served.url()).await.unwrap().text().await.unwrap(), "all i");
    }
}
