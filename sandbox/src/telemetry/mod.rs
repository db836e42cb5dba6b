//! What the Functions host sends to Application Insights, as rows of its tables: one JSON object per line, with the name
//! of the table in `itemType` as there (`trace`, `request`, `dependency`).
//!
//! Queries of alerts and workbooks can be run on these rows. Only the columns that the host fills are written.

mod rows;

use std::fs::{self, File};
use std::io::{self, LineWriter, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use self::rows::{Row, console, of_event};
use crate::clock::Clock;
use crate::host::{Cause, HostEvent, KillScope, Sink};

/// A file of telemetry.
pub struct Telemetry {
    file: Mutex<LineWriter<File>>,
    clock: Clock,
    instances: AtomicUsize,
}

/// One instance of the app. An instance that the platform replaces gets another name.
pub struct Instance {
    telemetry: Arc<Telemetry>,
    number: AtomicUsize,
}

impl Telemetry {
    /// Writes to this file, with the times of `clock`.
    ///
    /// # Errors
    ///
    /// When the file cannot be made.
    pub fn create(path: &Path, clock: Clock) -> io::Result<Arc<Self>> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = Mutex::new(LineWriter::new(File::create(path)?));
        Ok(Arc::new(Self { file, clock, instances: AtomicUsize::default() }))
    }

    /// Another instance of the app.
    pub fn instance(self: &Arc<Self>) -> Arc<Instance> {
        let number = self.instances.fetch_add(1, Ordering::Relaxed).into();
        Arc::new(Instance { telemetry: self.clone(), number })
    }

    fn write(&self, row: &Value) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(file, "{row}") {
            tracing::warn!(%error, "a row of telemetry could not be written");
        }
    }
}

impl Instance {
    /// Records the lines of the handler, and passes them on.
    pub fn record_lines(self: &Arc<Self>, output: Sink) -> Sink {
        let instance = self.clone();
        Arc::new(move |level, line: &str| {
            instance.write(console(level, line));
            output(level, line);
        })
    }

    /// Records what the host does, until it ends.
    pub async fn record_events(self: Arc<Self>, mut events: Receiver<HostEvent>) {
        loop {
            match events.recv().await {
                Ok(event) => self.record(&event),
                Err(RecvError::Lagged(missed)) => tracing::warn!(missed, "telemetry of host events is incomplete"),
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn record(&self, event: &HostEvent) {
        of_event(event).into_iter().for_each(|row| self.write(row));
        if matches!(event, HostEvent::HandlerDied(Cause::Replaced(KillScope::Instance))) {
            let number = self.telemetry.instances.fetch_add(1, Ordering::Relaxed);
            self.number.store(number, Ordering::Relaxed);
        }
    }

    fn write(&self, row: Row) {
        let instance = format!("{:08x}", self.number.load(Ordering::Relaxed));
        self.telemetry.write(&row.complete(self.telemetry.clock.now(), &instance));
    }
}
