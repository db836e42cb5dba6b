//! What the last run left behind, so that the next need not look at everything. It is believed only where the tables are
//! as it says: a run that died, or another hand, makes the next run compare instead of trust.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::report::Layer;
use crate::error::{Result, Trying};
use crate::lake::{Location, Position};

const FILE: &str = "state/state.json";

/// The whole of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct State {
    pub(super) silver: BTreeMap<String, SilverState>,
    pub(super) gold: BTreeMap<String, GoldState>,
    pub(super) rejected: Option<GoldState>,
    pub(super) reconciled_at: Option<DateTime<Utc>>,
    pub(super) tidied_at: Option<DateTime<Utc>>,
}

/// How a silver table came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SilverState {
    pub(super) version: u64,
    pub(super) position: Position,
    pub(super) made_by: String,
}

/// How a gold table came about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GoldState {
    pub(super) version: u64,
    pub(super) made_by: String,
    pub(super) as_of: DateTime<Utc>,
    /// Versions of the silver tables, and hashes of the shared ones, by name.
    pub(super) inputs: BTreeMap<String, String>,
}

impl State {
    /// A file that is not what it should be counts as none: everything is compared then.
    pub(super) async fn read(prepared: &Location) -> Result<Self> {
        let Some(text) = prepared.read(FILE).await? else { return Ok(Self::default()) };
        Ok(serde_json::from_str(&text).unwrap_or_else(|error| {
            tracing::warn!(%error, "the state of the last run cannot be read: comparing everything");
            Self::default()
        }))
    }

    pub(super) async fn write(&self, prepared: &Location) -> Result<()> {
        let text = serde_json::to_string_pretty(self).trying("write the state")?;
        prepared.write(FILE, text).await
    }

    /// Upkeep made a version that holds the same rows.
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
