//! The time from an event's commit to its journey's start at a constant rate of sales, by poll schedule.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sandbox::environment::Environment;
use sandbox::network::Dependency;
use serde::Serialize;

use crate::args::Args;
use crate::checkouts::Sellers;
use crate::failure::Failure;
use crate::handler::{Metered, Site};
use crate::messages::host;
use crate::network::{ExactLatency, environment};
use crate::numbers::{count, number};

/// Orders a second.
const RATE: u32 = 10;

/// Seconds of sales before the measurement. The first run has begun by then.
const BEFORE: u32 = 20;

/// Schedules and follow-ups: `PollSchedule`, `PollAgainAfter`.
const SETTINGS: [(&str, &str); 4] = [
    ("*/20 * * * * *", "00:00:00"),
    ("*/5 * * * * *", "00:00:00"),
    ("*/20 * * * * *", "00:00:02"),
    ("*/20 * * * * *", "00:00:01"),
];

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FreshnessFigures {
    schedule: String,
    again_after: String,
    p50: Duration,
    p99: Duration,
    searches_per_minute: f64,
    /// Calls of all dependencies by both functions.
    calls_per_event: f64,
    cosmos_calls_per_event: f64,
}

impl fmt::Display for FreshnessFigures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = if self.again_after == "00:00:00" { "" } else { self.again_after.as_str() };
        let setting = format!("{}  {again}", self.schedule);
        let (p50, p99) = (self.p50.as_secs_f64(), self.p99.as_secs_f64());
        write!(
            f,
            "{setting:<34} {p50:>6.1} s {p99:>6.1} s {:>17.1} {:>16.2} {:>9.2}",
            self.searches_per_minute, self.calls_per_event, self.cosmos_calls_per_event
        )
    }
}

/// Measures each setting.
pub(crate) async fn measure(args: &Args) -> Result<Vec<FreshnessFigures>, Failure> {
    let mut lines = Vec::new();
    for (schedule, again_after) in SETTINGS {
        lines.push(trade(args, schedule, again_after).await?);
    }
    Ok(lines)
}

async fn trade(args: &Args, schedule: &str, again_after: &str) -> Result<FreshnessFigures, Failure> {
    let network = ExactLatency::new(args.latency());
    let environment = environment(&network).await?;
    let site = Site::new()?;
    let sellers = Sellers::new(&environment, args.customers)?;
    let mut settings = environment.settings();
    settings.insert("PollSchedule".to_owned(), schedule.to_owned());
    settings.insert("PollAgainAfter".to_owned(), again_after.to_owned());
    settings.insert("EventTypes".to_owned(), "Checkout".to_owned());
    let app = host(&environment, &site, &settings, &Metered::default()).await?;
    let (before, orders) = (usize::try_from(BEFORE * RATE)?, usize::try_from((BEFORE + args.trade_seconds) * RATE)?);
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    let mut searches_before = 0;
    for number in 0..orders {
        tick.tick().await;
        if number == before {
            searches_before = network.searches();
        }
        sellers.sell(number)?;
    }
    let searches = network.searches() - searches_before;
    let delays = delays(&environment, before, orders).await?;
    app.shutdown().await;
    let calls = environment.network().calls();
    Ok(FreshnessFigures {
        schedule: schedule.to_owned(),
        again_after: again_after.to_owned(),
        p50: delays[delays.len() / 2],
        p99: delays[delays.len() * 99 / 100],
        searches_per_minute: number(searches) * 60.0 / count(usize::try_from(args.trade_seconds)?),
        calls_per_event: number(calls.values().sum()) / count(orders),
        cosmos_calls_per_event: number(calls[&Dependency::Cosmos]) / count(orders),
    })
}

/// Waits for all journeys. Returns the sorted delays from the sales to their journeys, without the first sales.
async fn delays(environment: &Environment, before: usize, orders: usize) -> Result<Vec<Duration>, Failure> {
    let deadline = Utc::now() + TimeDelta::minutes(2);
    while environment.dataverse().started().len() < orders {
        if Utc::now() > deadline {
            return Err("not all journeys were started".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sales: Vec<_> = environment.ledger().into_iter().filter(|entry| entry.order.is_some()).collect();
    let first = sales.get(before).map(|entry| entry.committed).unwrap_or_default();
    let committed: std::collections::BTreeMap<&str, DateTime<Utc>> = sales
        .iter()
        .filter_map(|entry| Some((entry.order.as_ref()?.internal_transaction_id.as_str(), entry.committed)))
        .collect();
    let mut delays = Vec::new();
    for journey in environment.dataverse().started() {
        let parameters = journey.parameters();
        let sale = parameters["msdynmkt_bindingid"].as_str().and_then(|id| committed.get(id));
        let sold = sale.ok_or("a journey belongs to no sale")?;
        if *sold >= first {
            delays.push((journey.at - *sold).to_std().unwrap_or_default());
        }
    }
    delays.sort();
    Ok(delays)
}
