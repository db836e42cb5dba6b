//! The files of a table: those of its current version, and those that were replaced.

use std::collections::HashSet;

use deltalake::datafusion::prelude::{ParquetReadOptions, SessionContext};
use deltalake::logstore::ObjectStoreRef;
use deltalake::{ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt};

use super::trace::Condition;
use crate::engine::Engine;
use crate::error::{Context, Result};
use crate::location::Location;

/// Files that are read concurrently.
const CONCURRENCY: usize = 8;

/// All data files of a table.
pub(super) struct TableFiles {
    pub(super) location: Location,
    pub(super) store: ObjectStoreRef,
    url: String,
    current: Vec<Path>,
    replaced: Vec<Path>,
}

/// Where a condition is true.
pub(super) struct Found {
    /// Rows of the current version.
    pub(super) current_rows: usize,
    /// Files that were replaced.
    pub(super) replaced: Vec<Path>,
}

impl TableFiles {
    /// The files; `None` if there is no table.
    pub(super) async fn open(location: &Location) -> Result<Option<Self>> {
        let Some(table) = location.open().await? else { return Ok(None) };
        let what = format!("list {location}");
        let state = table.snapshot().context(&what)?;
        let used: HashSet<String> = state.log_data().iter().map(|file| file.path().into_owned()).collect();
        let log_store = location.log_store()?;
        let store = log_store.object_store(None);
        let all: Vec<ObjectMeta> = store.list(None).try_collect().await.context(&what)?;
        let files = all
            .into_iter()
            .map(|meta| meta.location)
            .filter(|path| path.as_ref().ends_with(".parquet") && !path.as_ref().contains("_delta_log/"));
        let (current, replaced) = files.partition(|path| used.contains(path.as_ref()));
        Ok(Some(Self {
            location: location.clone(),
            store,
            url: log_store.object_store_url().as_str().to_owned(),
            current,
            replaced,
        }))
    }

    /// Where a condition is true.
    pub(super) async fn find(&self, engine: &Engine, condition: &Condition) -> Result<Found> {
        let current = self.matching(engine, &self.current, condition).await?;
        let replaced = self.matching(engine, &self.replaced, condition).await?;
        Ok(Found {
            current_rows: current.into_iter().map(|(_, rows)| rows).sum(),
            replaced: replaced.into_iter().filter(|(_, rows)| *rows > 0).map(|(path, _)| path).collect(),
        })
    }

    /// Values of columns in the rows of all files for which a condition is true, as text.
    pub(super) async fn values(
        &self,
        engine: &Engine,
        condition: &Condition,
        columns: &[&str],
    ) -> Result<Vec<Vec<String>>> {
        let mut all = Vec::new();
        for path in self.current.iter().chain(&self.replaced) {
            all.extend(condition.values(&self.session(engine), &self.file(path), columns, &self.location).await?);
        }
        all.sort();
        all.dedup();
        Ok(all)
    }

    async fn matching(&self, engine: &Engine, paths: &[Path], condition: &Condition) -> Result<Vec<(Path, usize)>> {
        let counts = futures::stream::iter(paths.iter().cloned()).map(|path| async move {
            let rows = condition.count(&self.session(engine), &self.file(&path), &self.location).await?;
            Ok((path, rows))
        });
        counts.buffer_unordered(CONCURRENCY).try_collect().await
    }

    fn session(&self, engine: &Engine) -> SessionContext {
        let session = engine.session();
        if let Ok(url) = url::Url::parse(&self.url) {
            session.runtime_env().register_object_store(&url, self.store.clone());
        }
        session
    }

    fn file(&self, path: &Path) -> String {
        format!("{}/{path}", self.url.trim_end_matches('/'))
    }
}

/// Options to read one file.
pub(super) fn one_file() -> ParquetReadOptions<'static> {
    ParquetReadOptions::default()
}
