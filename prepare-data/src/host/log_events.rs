//! All log events of the function app, with their levels and fields. The page on logging describes them, and the queries in
//! `infra/queries/lake` use them.
//!
//! They contain tables, checks, counts and durations: no row, no key and no value of the lake. A `detail` is the text of one
//! of the crate's own errors.

use chrono::{DateTime, Utc};

use crate::run::Layer;

commerce_journeys::log_events! {
    INFO HandlerStarted { version: &'a str, start_ms: u64 }
    INFO HandlerStopped { uptime_ms: u64 }
    ERROR HandlerNotStarted { detail: &'a str }

    INFO PreparationStarted { version: &'a str }
    INFO PreparationFinished {
        tables: usize,
        changed: usize,
        rows: u64,
        rejected: u64,
        #[serde(skip_serializing_if = "Option::is_none")] newest_source_row: Option<DateTime<Utc>>,
        duration_ms: u64,
    }
    ERROR PreparationStopped { checks: &'a [String], detail: &'a str, duration_ms: u64 }
    ERROR PreparationFailed { detail: &'a str, duration_ms: u64 }
    WARN PreparationAbandoned { duration_ms: u64 }
    WARN PreparationRefused { running_ms: u64 }

    INFO TablePublished {
        layer: Layer,
        table: &'a str,
        rows: u64,
        inserted: u64,
        updated: u64,
        deleted: u64,
        whole: bool,
        version: u64,
        duration_ms: u64,
    }
    INFO TableUnchanged { layer: Layer, table: &'a str, rows: u64, version: u64, duration_ms: u64 }
    INFO RowsRejected { reason: &'a str, rows: u64 }
    WARN FolderSkipped { folder: &'a str, reason: &'a str }
    WARN CheckFailed { check: &'a str, found: u64, of_rows: u64 }
}
