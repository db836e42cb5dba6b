//! What all parts of a run share.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use tokio::sync::RwLock;

use super::layer::Layer;
use super::shared_steps::SharedSteps;
use crate::delta::{AgeBuckets, TableWriter};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::lake::Export;
use crate::location::Location;
use crate::settings::{Layers, Settings};
use crate::sql::{Catalog, Script};

/// Description of the table of rejected rows.
const REJECTED: &str = "Rows of the export that are in no published table, with the reason";

/// A run.
pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) catalog: &'a Catalog,
    pub(super) engine: &'a Engine,
    pub(super) export: &'a Export,
    pub(super) as_of: DateTime<Utc>,
    /// Whether all rows are compared, even those that did not change since the last run.
    pub(super) reconcile: bool,
    /// Held to compute a large table as a whole, which needs all the memory; shared by incremental work.
    pub(super) memory: RwLock<()>,
    pub(super) shared_steps: SharedSteps,
}

impl Run<'_> {
    pub(super) fn location(&self, layer: Layer, table: &str) -> Location {
        let folder = match layer {
            Layer::Silver => "silver",
            Layer::Gold => "gold",
            Layer::Quality => "quality",
        };
        self.settings.prepared.join(folder).join(table)
    }

    pub(super) fn silver(&self, table: &str) -> Location {
        self.location(Layer::Silver, table)
    }

    pub(super) fn gold(&self, table: &str) -> Location {
        self.location(Layer::Gold, table)
    }

    /// The writer of a table.
    pub(super) fn table_writer(&self, engine: &Engine, layer: Layer, table: &str) -> Result<TableWriter> {
        let unknown = || Error::Catalog(format!("no SQL file makes {table}"));
        let (key, about, time) = match layer {
            Layer::Silver => {
                let source = self.catalog.sources.tables.iter().find(|source| source.name == table);
                let script = self.catalog.silver.get(table).ok_or_else(unknown)?;
                ("id", &*source.ok_or_else(unknown)?.about, script.directive("time"))
            }
            Layer::Gold => {
                let gold = self.catalog.gold.iter().find(|gold| gold.name() == table).ok_or_else(unknown)?;
                (&*gold.key, &*gold.rows.about, gold.rows.directive("time"))
            }
            Layer::Quality => ("rejection_id", REJECTED, Some("recorded_at")),
        };
        let age = time.map(|column| AgeBuckets::of(column, self.as_of));
        Ok(TableWriter::new(engine, self.location(layer, table), table, key, about).by_age(age))
    }

    pub(super) fn keeps_silver(&self) -> bool {
        self.settings.layers == Layers::Three
    }

    /// Works on all tables, and returns the results in their order. Incremental work runs on two tables at a time: one waits for
    /// reads while the other computes. Otherwise one table at a time needs all the memory.
    pub(super) async fn each<T>(&self, tables: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
        let concurrency = if self.reconcile || !self.keeps_silver() { 1 } else { 2 };
        let numbered = tables.into_iter().enumerate();
        let numbered: Vec<_> = numbered.map(|(number, table)| table.map_ok(move |done| (number, done))).collect();
        // Unordered, so that a short table does not wait for a long one.
        let mut done: Vec<_> = stream::iter(numbered).buffer_unordered(concurrency).try_collect().await?;
        done.sort_by_key(|(number, _)| *number);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    /// Hash of everything besides rows that published rows depend on. Silver tables have the rows of all companies.
    pub(super) fn published_hash(&self, scripts: &[Option<&Script>]) -> String {
        let all = self.definition_hash(scripts);
        if self.settings.companies.is_empty() { all } else { format!("{all}/{}", self.settings.companies.join(",")) }
    }

    /// Hash of everything besides rows that a result depends on: statements, parameters and party types.
    pub(super) fn definition_hash(&self, scripts: &[Option<&Script>]) -> String {
        let mut hasher = DefaultHasher::new();
        for script in scripts.iter().flatten() {
            script.statements().hash(&mut hasher);
        }
        self.settings.parameters.hash(&mut hasher);
        self.settings.party_types.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
