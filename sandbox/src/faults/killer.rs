//! Kills handlers at random times, like a platform that replaces instances.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{mix, pause};
use crate::clock::Clock;
use crate::host::{KillScope, Platform};

/// A handler that was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// The index of the host, from 0.
    pub host: usize,
    /// What was killed.
    pub scope: KillScope,
    /// A time at which the handler was certainly dead.
    pub at: DateTime<Utc>,
}

/// Kills handlers until it is stopped. [`ChaosKiller::stop`] it rather than drop it: a kill that is in progress when it is
/// dropped may happen and be missing from the list.
pub struct ChaosKiller {
    stop: watch::Sender<bool>,
    kills: Arc<Mutex<Vec<Kill>>>,
    task: Option<JoinHandle<()>>,
}

impl ChaosKiller {
    /// Kills one of the handlers at random times, on average every `mean`. `Process` and `Instance` alternate.
    pub fn start(hosts: Vec<Platform>, clock: Clock, mean: Duration, seed: u64) -> Self {
        let (stop, stopped) = watch::channel(false);
        let kills = Arc::<Mutex<Vec<Kill>>>::default();
        let task = tokio::spawn(kill_every(hosts, clock, mean, seed, kills.clone(), stopped));
        Self { stop, kills, task: Some(task) }
    }

    /// All kills so far.
    pub fn kills(&self) -> Vec<Kill> {
        self.kills.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops after the current kill, and returns all kills.
    pub async fn stop(mut self) -> Vec<Kill> {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the chaos killer failed");
        }
        self.kills()
    }
}

impl Drop for ChaosKiller {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn kill_every(
    hosts: Vec<Platform>,
    clock: Clock,
    mean: Duration,
    seed: u64,
    kills: Arc<Mutex<Vec<Kill>>>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut rng = StdRng::seed_from_u64(mix(seed, &[0xdead]));
    let mut scopes = [KillScope::Process, KillScope::Instance].into_iter().cycle();
    while !hosts.is_empty() {
        let wait = pause(&mut rng, mean);
        let hold = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            hold = clock.sleep(wait) => hold,
        };
        let (host, scope) = (rng.random_range(0..hosts.len()), scopes.next().unwrap_or(KillScope::Process));
        hosts[host].replace_handler(scope).await;
        let kill = Kill { host, scope, at: clock.now() };
        kills.lock().unwrap_or_else(PoisonError::into_inner).push(kill);
        drop(hold);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;

    use async_trait::async_trait;
    use chrono::TimeDelta;
    use tokio::sync::Notify;

    use super::*;
    use crate::app_folder::{Enabled, assemble, repository};
    use crate::environment::{Environment, EnvironmentOptions, FunctionApp};
    use crate::host::{App, Exit, Launch, Launched, Start};

    /// A handler that answers everything at once and runs until it is killed.
    struct InstantHandler;

    #[async_trait]
    impl Launch for InstantHandler {
        async fn launch(&self, start: Start) -> io::Result<Launched> {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", start.port)).await?;
            let router = axum::Router::new().fallback(|| async { axum::Json(BTreeMap::<String, String>::new()) });
            let dead = Arc::new(Notify::new());
            let killed = dead.clone();
            let exited = async move {
                tokio::select! {
                    _ = axum::serve(listener, router) => Exit(Some(1)),
                    () = killed.notified() => Exit(None),
                }
            };
            let exited = tokio::spawn(exited);
            Ok(Launched {
                process: None,
                port: start.port,
                kill: Box::new(move || dead.notify_one()),
                exited: Box::pin(async { exited.await.unwrap_or(Exit(None)) }),
            })
        }
    }

    async fn host(environment: &Environment) -> FunctionApp {
        let folder = std::env::temp_dir().join(format!("sandbox-killer-{}", uuid::Uuid::new_v4()));
        assemble(&repository(), None, &folder, Enabled::AsShipped).unwrap();
        let app = App::read(&folder, &environment.settings());
        std::fs::remove_dir_all(folder).unwrap();
        environment.host(app.unwrap(), Arc::new(InstantHandler), Arc::new(|_, _| {})).await.unwrap()
    }

    #[tokio::test]
    async fn handlers_are_killed_at_random_times_and_replaced() {
        let clock = Clock::simulated(DateTime::from_timestamp(1_760_000_000, 0).unwrap());
        let hold = clock.hold();
        let environment = Environment::start(EnvironmentOptions::new(clock.clone())).await.unwrap();
        let apps = [host(&environment).await, host(&environment).await];
        for app in &apps {
            assert!(app.host().ready().await);
        }
        let begun = clock.now();
        let platforms = apps.iter().map(|app| app.host().platform()).collect();
        let killer = ChaosKiller::start(platforms, clock.clone(), Duration::from_secs(20), 1);
        drop(hold);
        drop(clock.sleep(Duration::from_secs(600)).await);
        let kills = killer.stop().await;
        assert!((15..60).contains(&kills.len()), "{}", kills.len());
        assert!(kills.is_sorted_by_key(|kill| kill.at));
        assert!(kills.iter().all(|kill| kill.at > begun && kill.at <= begun + TimeDelta::seconds(700)));
        let (even, odd): (Vec<_>, Vec<_>) = kills.iter().enumerate().partition(|(place, _)| place % 2 == 0);
        assert!(even.iter().all(|(_, kill)| kill.scope == KillScope::Process));
        assert!(odd.iter().all(|(_, kill)| kill.scope == KillScope::Instance));
        for (place, app) in apps.iter().enumerate() {
            let own = kills.iter().filter(|kill| kill.host == place).count() as u64;
            assert!(own > 0);
            assert_eq!(app.host().counters().handler_deaths, own);
            assert!(app.host().ready().await);
        }
    }
}
