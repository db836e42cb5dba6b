//! The board as the browser gets it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::Board;
use super::parts::{Calls, Mail, Notice, Seen};
use crate::audit::Journey;
use crate::network::Dependency;
use crate::page::invocations::{Handler, Work};
use crate::page::latency::Percentiles;
use crate::page::verdict::Verdict;

/// What has changed since a version, and where all things stand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::page) struct Frame {
    run: String,
    pub(in crate::page) version: u64,
    /// Milliseconds since 1970, by the clock of all times on the page.
    now: i64,
    /// Whether this is everything, in place of whatever was there.
    whole: bool,
    enabled: &'static [Journey],
    flow: Flow,
    events: Vec<Value>,
    mails: Vec<Value>,
    notices: Vec<Notice>,
    latency: Vec<Percentiles>,
    audit: Option<Verdict>,
}

/// Where all things stand.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Flow {
    events: usize,
    records: BTreeMap<String, usize>,
    started: BTreeMap<Journey, usize>,
    dependencies: BTreeMap<Dependency, Calls>,
    functions: BTreeMap<String, Work>,
    handlers: Vec<Handler>,
    triggers: BTreeMap<Journey, &'static str>,
    #[serde(flatten)]
    seen: Seen,
}

impl Frame {
    /// What a browser says that has seen it.
    pub(in crate::page) fn id(&self) -> String {
        format!("{}-{}", self.run, self.version)
    }
}

impl Board {
    /// What has changed since the version `seen`, or everything.
    pub(in crate::page) fn frame(&self, seen: Option<u64>, now: DateTime<Utc>) -> Frame {
        let since = seen.unwrap_or_default();
        let tracks = self.tracks.iter().filter(|track| track.revision > since || seen.is_none());
        let mails = self.mails.iter().filter(|mail| mail.revision > since || seen.is_none());
        let notices = self.notices.iter().filter(|notice| notice.revision > since || seen.is_none());
        Frame {
            run: self.run.clone(),
            version: self.version,
            now: now.timestamp_millis(),
            whole: seen.is_none(),
            enabled: self.enabled,
            flow: self.flow(),
            events: tracks.map(|track| json!(track.row(self.enabled))).collect(),
            mails: mails.map(Mail::json).collect(),
            notices: notices.cloned().collect(),
            latency: self.latencies.since(since),
            audit: (seen.is_none() || self.verdict.0 > since).then(|| self.verdict.1.clone()),
        }
    }

    /// The version that a [`Frame::id`] names, if it is one of this run.
    pub(in crate::page) fn version_of(&self, id: &str) -> Option<u64> {
        let (run, version) = id.split_once('-')?;
        version.parse().ok().filter(|version| run == self.run && *version <= self.version)
    }

    fn flow(&self) -> Flow {
        Flow {
            events: self.tracks.len(),
            records: self.records.clone(),
            started: self.started.clone(),
            dependencies: self.dependencies.clone(),
            functions: self.invocations.functions().clone(),
            handlers: self.invocations.handlers().to_vec(),
            triggers: self.triggers.clone(),
            seen: self.seen.clone(),
        }
    }
}
