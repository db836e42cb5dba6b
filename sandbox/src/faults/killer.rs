//! Ends the handler at random moments, as a platform does that replaces instances.

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

/// One handler that was ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill {
    /// Whose handler, counted from 0.
    pub host: usize,
    /// What died.
    pub death: KillScope,
    /// By when it was surely dead.
    pub at: DateTime<Utc>,
}

/// Kills handlers until it is stopped. [`ChaosKiller::stop`] it rather than drop it: a kill that is under way when it is
/// dropped may happen and be missing in the list.
pub struct ChaosKiller {
    stop: watch::Sender<bool>,
    kills: Arc<Mutex<Vec<Kill>>>,
    task: Option<JoinHandle<()>>,
}

impl ChaosKiller {
    /// Replaces one of the handlers at random moments, `mean` apart in the mean; `Process` and `Instance` die in turn.
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

    /// Ends the killing, not in the middle of a kill, and returns all of them.
    pub async fn stop(mut self) -> Vec<Kill> {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the killer died of itself");
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
    let mut deaths = [KillScope::Process, KillScope::Instance].into_iter().cycle();
    while !hosts.is_empty() {
        let wait = pause(&mut rng, mean);
        let busy = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            busy = clock.sleep(wait) => busy,
        };
        let (host, death) = (rng.random_range(0..hosts.len()), deaths.next().unwrap_or(KillScope::Process));
        hosts[host].replace_handler(death).await;
        let kill = Kill { host, death, at: clock.now() };
        kills.lock().unwrap_or_else(PoisonError::into_inner).push(kill);
        drop(busy);
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
    use crate::environment::{Environment, EnvironmentOptions, FunctionApp};
    use crate::host::{App, Exit, Launch, Launched, Start};
    use crate::stage::{Enabled, repository, stage};

    /// A handler that answers everything at once and lives until it is killed.
    struct Simple;

    #[async_trait]
    impl Launch for Simple {
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
        stage(&repository(), None, &folder, Enabled::AsShipped).unwrap();
        let app = App::read(&folder, &environment.settings());
        std::fs::remove_dir_all(folder).unwrap();
        environment.host(app.unwrap(), Arc::new(Simple), Arc::new(|_, _| {})).await.unwrap()
    }

    #[tokio::test]
    async fn handlers_die_at_random_moments_and_others_take_their_place() {
        let clock = Clock::simulated(DateTime::from_timestamp(1_760_000_000, 0).unwrap());
        let busy = clock.busy();
        let environment = Environment::start(EnvironmentOptions::new(clock.clone())).await.unwrap();
        let apps = [host(&environment).await, host(&environment).await];
        for app in &apps {
            assert!(app.host().ready().await);
        }
        let begun = clock.now();
        let platforms = apps.iter().map(|app| app.host().platform()).collect();
        let killer = ChaosKiller::start(platforms, clock.clone(), Duration::from_secs(20), 1);
        drop(busy);
        drop(clock.sleep(Duration::from_secs(600)).await);
        let kills = killer.stop().await;
        assert!((15..60).contains(&kills.len()), "{}", kills.len());
        assert!(kills.is_sorted_by_key(|kill| kill.at));
        assert!(kills.iter().all(|kill| kill.at > begun && kill.at <= begun + TimeDelta::seconds(700)));
        let (even, odd): (Vec<_>, Vec<_>) = kills.iter().enumerate().partition(|(place, _)| place % 2 == 0);
        assert!(even.iter().all(|(_, kill)| kill.death == KillScope::Process));
        assert!(odd.iter().all(|(_, kill)| kill.death == KillScope::Instance));
        for (place, app) in apps.iter().enumerate() {
            let own = kills.iter().filter(|kill| kill.host == place).count() as u64;
            assert!(own > 0);
            assert_eq!(app.host().counters().handler_deaths, own);
            assert!(app.host().ready().await);
        }
    }
}
