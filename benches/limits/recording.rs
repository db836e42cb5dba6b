//! The calls of a run, recorded at the dependencies, and the file in which the bare client finds them.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox::environment::Environment;
use sandbox::network::{BoxFuture, Call, FaultAction, FaultInjector};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::network::ExactLatency;

/// The name of the file in the folder of the app.
pub(crate) const FILE: &str = "recording.json";

/// A recorded request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RecordedCall {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) http2: bool,
    pub(crate) headers: Vec<(String, String)>,
    /// In base64, because Cosmos DB's client writes a binary form of JSON.
    body: String,
}

impl RecordedCall {
    pub(crate) fn body(&self) -> Result<Vec<u8>, Failure> {
        Ok(STANDARD.decode(&self.body)?)
    }
}

/// The calls of a number of invocations.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    pub(crate) invocations: usize,
    pub(crate) calls: Vec<RecordedCall>,
}

/// What a bare client does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// Concurrent calls of one invocation.
    pub(crate) concurrency: usize,
    pub(crate) rounds: Vec<Round>,
}

impl Recording {
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Failure> {
        Ok(fs::write(folder.join(FILE), serde_json::to_vec(self)?)?)
    }

    pub(crate) fn read() -> Result<Self, Failure> {
        Ok(serde_json::from_slice(&fs::read(FILE)?)?)
    }
}

/// A network with a fixed latency that records all calls. Clones share what they record.
#[derive(Clone)]
pub(crate) struct Recorder {
    latency: ExactLatency,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorder {
    pub(crate) fn new(latency: ExactLatency) -> Self {
        Self { latency, calls: Arc::default() }
    }

    /// The calls since the last time.
    pub(crate) fn take(&self, environment: &Environment) -> Result<Vec<RecordedCall>, Failure> {
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        calls.into_iter().map(|call| recorded(&environment.url(call.dependency), call)).collect()
    }
}

impl FaultInjector for Recorder {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        self.latency.decide(call)
    }

    fn reads_bodies(&self) -> bool {
        true
    }
}

/// Headers that the client's library writes itself.
const OF_THE_LIBRARY: [&str; 4] = ["host", "content-length", "connection", "transfer-encoding"];

fn recorded(address: &str, call: Call) -> Result<RecordedCall, Failure> {
    let head = call.head.ok_or("a call was recorded without its headers")?;
    let mut headers = Vec::new();
    for (name, value) in head.headers.iter().filter(|(name, _)| !OF_THE_LIBRARY.contains(&name.as_str())) {
        headers.push((name.to_string(), value.to_str()?.to_owned()));
    }
    let query = head.query.map(|query| format!("?{query}")).unwrap_or_default();
    Ok(RecordedCall {
        method: call.method.to_string(),
        url: format!("{}{}{query}", address.trim_end_matches('/'), call.path),
        http2: head.version == reqwest::Version::HTTP_2,
        headers,
        body: STANDARD.encode(&call.body),
    })
}
