//! The state of the page, shared by all requests and collectors.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::dashboard::Dashboard;
use super::fault_controls::FaultControls;
use crate::audit::Journey;
use crate::environment::{Environment, FunctionApp};
use crate::host::Platform;

/// The state that all requests and collectors share.
pub(super) struct PageState {
    pub(super) environment: Arc<Environment>,
    pub(super) dashboard: Mutex<Dashboard>,
    /// The last published version of the dashboard.
    pub(super) version: watch::Sender<u64>,
    pub(super) fault_controls: FaultControls,
    /// The function app's address, if there is one.
    pub(super) app: Option<String>,
    pub(super) platforms: Vec<Platform>,
    pub(super) client: reqwest::Client,
    /// The number of visits from the page. It makes each visitor different.
    pub(super) visitors: AtomicU64,
    /// Whether a bulk order is in progress.
    pub(super) bulk_running: AtomicBool,
    /// When handlers were killed from the page.
    kills: Mutex<Vec<DateTime<Utc>>>,
}

impl PageState {
    pub(super) fn new(
        environment: Arc<Environment>,
        enabled: &'static [Journey],
        apps: &[FunctionApp],
    ) -> io::Result<Self> {
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        Ok(Self {
            dashboard: Mutex::new(Dashboard::new(&environment, enabled, apps.len())),
            version: watch::Sender::new(0),
            fault_controls: FaultControls::new(&environment),
            app: apps.first().map(|app| app.url().to_owned()),
            platforms: apps.iter().map(|app| app.host().platform()).collect(),
            client,
            visitors: AtomicU64::new(0),
            bulk_running: AtomicBool::new(false),
            kills: Mutex::default(),
            environment,
        })
    }

    pub(super) fn dashboard(&self) -> MutexGuard<'_, Dashboard> {
        self.dashboard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.environment.clock().now()
    }

    pub(super) fn kills(&self) -> MutexGuard<'_, Vec<DateTime<Utc>>> {
        self.kills.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
