//! What the quality gate finds.

use serde::Serialize;

/// Why a run was stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GateError {
    /// The rule: `keys`, `row_loss` or `empty_profile`.
    pub rule: &'static str,
    /// The table.
    pub table: String,
    /// What was found, and what to do. It is logged, so it contains no row.
    pub message: String,
    /// The key of an affected row, which may be a customer number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
}
