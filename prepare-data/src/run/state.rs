//! The state after the last run, so that the next run is incremental. It is used only for tables that still have the recorded
//! version. After a crash or a change by others, the next run compares all rows.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::error::{Context, Result};
use crate::lake::{Deleted, Position};
use crate::location::Location;

const FILE: &str = "state/state.json";

/// The content of the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    pub(super) silver: BTreeMap<String, SilverState>,
    pub(super) gold: BTreeMap<String, GoldState>,
    pub(super) rejected: Option<GoldState>,
    /// The last result of each shipped check.
    pub(super) checks: BTreeMap<String, CheckState>,
    pub(super) reconciled_at: Option<DateTime<Utc>>,
    pub(super) maintained_at: Option<DateTime<Utc>>,
    /// The companies that were published; none for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) companies: Vec<String>,
}

/// The last update of a silver table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SilverState {
    pub(super) version: u64,
    pub(super) position: Position,
    pub(super) definition_hash: String,
    /// The oldest change folder when all of them were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) first_folder: Option<String>,
    /// The newest deletes in change folders, by id of the row.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) deletes: BTreeMap<String, Deleted>,
}

/// The last update of a gold table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoldState {
    pub(super) version: u64,
    pub(super) definition_hash: String,
    pub(super) as_of: DateTime<Utc>,
    /// Versions of the silver tables, and hashes of the shared ones, by name.
    pub(super) inputs: BTreeMap<String, String>,
}

/// The last result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckState {
    pub(super) definition_hash: String,
    /// Id and version of the published tables that it read, by name. A table that is made anew has another id.
    pub(super) inputs: BTreeMap<String, String>,
    pub(super) gaps: u64,
    pub(super) of: u64,
}

impl State {
    /// Reads the file. If it is missing or not valid, all rows are compared.
    pub(super) async fn read(prepared: &Location) -> Result<Self> {
        let Some(text) = prepared.read(FILE).await? else { return Ok(Self::default()) };
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the state of the last run cannot be read: comparing all rows");
            Self::default()
        }))
    }

    /// Forgets what is known of a table, so that it is computed anew.
    pub(super) fn forget(&mut self, table: &str) {
        self.silver.remove(table);
        self.gold.remove(table);
        if table == "rejected" {
            self.rejected = None;
        }
    }

    /// How far each table has been read.
    pub(super) fn positions(&self) -> BTreeMap<String, Position> {
        self.silver.iter().map(|(name, silver)| (name.clone(), silver.position.clone())).collect()
    }

    pub(super) async fn write(&self, prepared: &Location) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the state")?;
        prepared.write(FILE, text).await
    }

    /// Maintenance made a new version with the same rows.
    pub(super) fn moved(&mut self, layer: Layer, table: &str, version: u64) {
        match layer {
            Layer::Silver => {
                if let Some(silver) = self.silver.get_mut(table) {
                    silver.version = version;
                    for gold in self.gold.values_mut().chain(&mut self.rejected) {
                        if let Some(input) = gold.inputs.get_mut(table) {
                            *input = version.to_string();
                        }
                    }
                }
            }
            Layer::Gold => {
                if let Some(gold) = self.gold.get_mut(table) {
                    gold.version = version;
                }
            }
            Layer::Quality => {
                if let Some(rejected) = &mut self.rejected {
                    rejected.version = version;
                }
            }
        }
    }
}
