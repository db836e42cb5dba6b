//! The dashboard as JSON for the browser.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::parts::{DependencyCalls, Mail, Notice, PolledCounts};
use super::{Dashboard, LISTED};
use crate::audit::Journey;
use crate::network::Dependency;
use crate::page::audit_status::AuditStatus;
use crate::page::invocations::{FunctionStats, HandlerStatus};
use crate::page::latency::Percentiles;

/// What has changed since a version, and the current counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::page) struct Frame {
    run: String,
    pub(in crate::page) version: u64,
    /// Milliseconds since 1970, by the clock of all times on the page.
    now: i64,
    /// Whether this frame is complete and replaces everything before it.
    whole: bool,
    enabled: &'static [Journey],
    flow: Flow,
    events: Vec<Value>,
    mails: Vec<Value>,
    notices: Vec<Notice>,
    latency: Vec<Percentiles>,
    audit: Option<AuditStatus>,
}

/// The current counts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flow {
    events: usize,
    records: BTreeMap<String, usize>,
    started: BTreeMap<Journey, usize>,
    dependencies: BTreeMap<Dependency, DependencyCalls>,
    functions: BTreeMap<String, FunctionStats>,
    handlers: Vec<HandlerStatus>,
    triggers: BTreeMap<Journey, &'static str>,
    #[serde(flatten)]
    polled: PolledCounts,
}

impl Frame {
    /// The id that a browser returns when it has received this frame.
    pub(in crate::page) fn id(&self) -> String {
        format!("{}-{}", self.run, self.version)
    }
}

impl Dashboard {
    /// What has changed since the version `seen`, or everything. Of the events, it has the newest ones.
    pub(in crate::page) fn frame(&self, seen: Option<u64>, now: DateTime<Utc>) -> Frame {
        let since = seen.unwrap_or_default();
        let listed = self.events.get(self.events.len().saturating_sub(LISTED)..).unwrap_or_default();
        let events = listed.iter().filter(|event| event.revision > since || seen.is_none());
        let mails = self.mails.iter().filter(|mail| mail.revision > since || seen.is_none());
        let notices = self.notices.iter().filter(|notice| notice.revision > since || seen.is_none());
        Frame {
            run: self.run.clone(),
            version: self.version,
            now: now.timestamp_millis(),
            whole: seen.is_none(),
            enabled: self.enabled,
            flow: self.flow(),
            events: events.map(|event| json!(event.row(self.enabled))).collect(),
            mails: mails.map(Mail::json).collect(),
            notices: notices.cloned().collect(),
            latency: self.latencies.since(since),
            audit: (seen.is_none() || self.audit.0 > since).then(|| self.audit.1.clone()),
        }
    }

    /// The version in a [`Frame::id`], if it belongs to this run.
    pub(in crate::page) fn version_of(&self, id: &str) -> Option<u64> {
        let (run, version) = id.split_once('-')?;
        version.parse().ok().filter(|version| run == self.run && *version <= self.version)
    }

    fn flow(&self) -> Flow {
        Flow {
            events: self.events.len(),
            records: self.records.clone(),
            started: self.started.clone(),
            dependencies: self.dependencies.clone(),
            functions: self.invocations.functions().clone(),
            handlers: self.invocations.handlers().to_vec(),
            triggers: self.triggers.clone(),
            polled: self.polled.clone(),
        }
    }
}
