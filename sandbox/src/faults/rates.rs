//! The faults of one dependency, and how frequent they are.

use std::time::Duration;

use serde::Serialize;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// The probability of each fault for one call. At most one fault happens to a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFaults {
    /// 429, with `Retry-After` in seconds or as a date.
    pub throttled: f64,
    /// 503.
    pub unavailable: f64,
    /// 500, in the dependency's own error format or without a body. Without a body, the caller does not know whether
    /// the request had an effect.
    pub server_error: f64,
    /// 502 or 504; the request had no effect.
    pub gateway_before: f64,
    /// 502 or 504; the request had its effect.
    pub gateway_after: f64,
    /// The connection is closed; the request had no effect.
    pub reset_before: f64,
    /// The connection is closed within the reply; the request had its effect.
    pub reset_after: f64,
    /// Half of the reply arrives as if it were complete; the request had its effect.
    pub truncated: f64,
    /// There is no answer at all.
    pub hang: f64,
    /// Access is denied, in the dependency's own format.
    pub refused: f64,
    /// An HTML page, `null`, or half of the reply, with status 200; the request had its effect.
    pub nonsense: f64,
    /// A plug-in or the database fails (400); the request had no effect. Only Dataverse has this fault.
    pub plug_in: f64,
}

impl CallFaults {
    /// The probability of any fault.
    pub fn sum(&self) -> f64 {
        self.all().iter().sum()
    }

    pub(super) fn all(&self) -> [f64; 12] {
        [
            self.throttled,
            self.unavailable,
            self.server_error,
            self.gateway_before,
            self.gateway_after,
            self.reset_before,
            self.reset_after,
            self.truncated,
            self.hang,
            self.refused,
            self.nonsense,
            self.plug_in,
        ]
    }
}

/// How long a call waits before it is served: at least `min`, and longer with the tail of a Pareto distribution. It
/// uses the machine's clock, like the whole network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// The shortest latency.
    pub min: Duration,
    /// The tail: half as many calls take `2^(1/tail)` times as long. A smaller number is a longer tail; zero is no tail.
    pub tail: f64,
    /// The longest latency.
    pub max: Duration,
}

impl Latency {
    /// The latency at `unit` of the distribution, between 0 (slowest) and 1 (fastest).
    pub(super) fn at(&self, unit: f64) -> Duration {
        if self.tail <= 0.0 || self.min.is_zero() {
            return self.min;
        }
        let factor = unit.max(1e-9).powf(-1.0 / self.tail);
        self.min.mul_f64(factor.min(1e6)).min(self.max)
    }
}

/// Faults are more frequent in some periods of ten seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Burst {
    /// The probability that a period is bad.
    pub probability: f64,
    /// The factor by which faults are more frequent in a bad period.
    pub factor: f64,
}

/// Times at which the dependency is off the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outages {
    /// The mean time between two outages.
    pub interval: Duration,
    /// The longest outage; the shortest is one second.
    pub max_duration: Duration,
}

/// Faults that are not part of a call, for example an expired lock. They depend on the dependency, see
/// [`FaultSchedule`](super::FaultSchedule).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackgroundFaults {
    /// The mean time between two faults; `None` for no faults.
    pub interval: Option<Duration>,
    /// The probability of a concurrent write during a write (Dataverse, Cosmos DB), or that completing a message fails
    /// (Service Bus).
    pub conflicts: f64,
    /// The longest delay of events and orders (Commerce).
    pub max_delay: Duration,
}

/// The faults of one dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FaultRates {
    /// Faults of single calls.
    pub calls: CallFaults,
    /// The latency of calls.
    pub latency: Latency,
    /// Periods with more faults.
    pub burst: Burst,
    /// Outages.
    pub outages: Option<Outages>,
    /// Faults that are not part of a call.
    pub background: BackgroundFaults,
    /// No faults, but correct replies that a client does not expect. They depend on the dependency.
    pub odd: bool,
}

impl FaultRates {
    /// Only unexpected replies.
    pub fn odd() -> Self {
        Self { odd: true, ..Self::default() }
    }

    /// Two per cent of the calls have a fault.
    pub fn rough() -> Self {
        Self {
            calls: CallFaults {
                throttled: 0.006,
                unavailable: 0.004,
                server_error: 0.003,
                gateway_before: 0.002,
                gateway_after: 0.001,
                reset_before: 0.002,
                reset_after: 0.0015,
                truncated: 0.0015,
                hang: 0.0002,
                plug_in: 0.002,
                ..CallFaults::default()
            },
            latency: Latency { min: MILLISECOND, tail: 1.5, max: 500 * MILLISECOND },
            burst: Burst { probability: 0.05, factor: 4.0 },
            outages: Some(Outages { interval: 120 * SECOND, max_duration: 3 * SECOND }),
            background: BackgroundFaults { interval: Some(20 * SECOND), conflicts: 0.01, max_delay: 3 * SECOND },
            odd: false,
        }
    }

    /// No call is answered.
    pub fn hanging() -> Self {
        Self::always(CallFaults { hang: 1.0, ..CallFaults::default() })
    }

    /// Access is denied to every call.
    pub fn refusing() -> Self {
        Self::always(CallFaults { refused: 1.0, ..CallFaults::default() })
    }

    /// No call gets the answer of the dependency.
    pub fn nonsense() -> Self {
        Self::always(CallFaults { nonsense: 1.0, ..CallFaults::default() })
    }

    fn always(calls: CallFaults) -> Self {
        Self { calls, ..Self::default() }
    }

    /// Ten per cent of the calls have a fault.
    pub fn storm() -> Self {
        Self {
            calls: CallFaults {
                throttled: 0.022,
                unavailable: 0.016,
                server_error: 0.014,
                gateway_before: 0.008,
                gateway_after: 0.004,
                reset_before: 0.008,
                reset_after: 0.006,
                truncated: 0.006,
                hang: 0.003,
                plug_in: 0.006,
                ..CallFaults::default()
            },
            latency: Latency { min: 2 * MILLISECOND, tail: 1.2, max: 1500 * MILLISECOND },
            burst: Burst { probability: 0.08, factor: 4.0 },
            outages: Some(Outages { interval: 45 * SECOND, max_duration: 6 * SECOND }),
            background: BackgroundFaults { interval: Some(4 * SECOND), conflicts: 0.04, max_delay: 12 * SECOND },
            odd: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latency_has_a_long_tail_with_a_maximum() {
        let latency = FaultRates::storm().latency;
        assert_eq!(latency.at(1.0), latency.min);
        assert!(latency.at(0.5) < Duration::from_millis(5));
        assert!(latency.at(0.01) > Duration::from_millis(80));
        assert_eq!(latency.at(0.0), latency.max);
        assert_eq!(Latency::default().at(0.0), Duration::ZERO);
    }
}
