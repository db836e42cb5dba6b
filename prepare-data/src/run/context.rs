//! What every part of a run shares.

use std::hash::{DefaultHasher, Hash, Hasher};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use futures::{StreamExt, TryFutureExt, TryStreamExt, stream};
use tokio::sync::RwLock;

use super::report::Layer;
use crate::delta::{Age, Stager};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::lake::{Export, Location};
use crate::settings::{Layers, Settings};
use crate::sql::{Catalog, Script};

/// What is said of the rejected rows.
const REJECTED: &str = "Rows of the export that are in no published table, with the reason";

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) settings: &'a Settings,
    pub(super) catalog: &'a Catalog,
    pub(super) engine: &'a Engine,
    pub(super) export: &'a Export,
    pub(super) as_of: DateTime<Utc>,
    /// Whether everything is compared, whatever is known.
    pub(super) reconcile: bool,
    /// Held by one that computes a large table whole, which takes all the memory; shared by those that look at changes.
    pub(super) memory: RwLock<()>,
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

    /// What writes a table.
    pub(super) fn stager(&self, engine: &Engine, layer: Layer, table: &str) -> Result<Stager> {
        let unknown = || Error::Catalog(format!("nothing says how {table} is made"));
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
        let age = time.map(|column| Age::of(column, self.as_of));
        Ok(Stager::new(engine, self.location(layer, table), table, key, about).by_age(age))
    }

    pub(super) fn keeps_silver(&self) -> bool {
        self.settings.layers == Layers::Three
    }

    /// Works on all tables, and gives the results in their order. Where changes are looked at, one table waits for reads while
    /// another computes; where all is looked at, none has anything to do beside the one that takes all the memory.
    pub(super) async fn each<T>(&self, tables: Vec<BoxFuture<'_, Result<T>>>) -> Result<Vec<T>> {
        let at_once = if self.reconcile || !self.keeps_silver() { 1 } else { 2 };
        let numbered = tables.into_iter().enumerate();
        let numbered: Vec<_> = numbered.map(|(number, table)| table.map_ok(move |done| (number, done))).collect();
        // One after the other as they end: a short table does not wait for the long one before it.
        let mut done: Vec<_> = stream::iter(numbered).buffer_unordered(at_once).try_collect().await?;
        done.sort_by_key(|(number, _)| *number);
        Ok(done.into_iter().map(|(_, result)| result).collect())
    }

    /// Stands for everything besides rows that a result depends on: statements and what they are told.
    pub(super) fn made_by(&self, scripts: &[Option<&Script>]) -> String {
        let mut hasher = DefaultHasher::new();
        for script in scripts.iter().flatten() {
            script.statements().hash(&mut hasher);
        }
        self.settings.parameters.hash(&mut hasher);
        self.settings.party_types.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}
