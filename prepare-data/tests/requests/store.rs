//! Local files behind an object store that counts requests, takes the time of a storage account for each, and can fail.

use std::fmt::{Display, Formatter};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deltalake::logstore::config::StorageConfig;
use deltalake::logstore::{ObjectStoreFactory, ObjectStoreRef, object_store_factories};
use deltalake::{DeltaResult, Path};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::MutexGuard;
use url::Url;

/// Time of a request to a storage account.
const LATENCY: Duration = Duration::from_millis(25);

/// Entries of a page of a list.
const PAGE: usize = 5_000;

/// Counts of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    lists: AtomicU64,
    writes: AtomicU64,
    is_slow: AtomicBool,
    fails: Mutex<Fails>,
}

/// Which of the next requests fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fails {
    /// None.
    #[default]
    Never,
    /// One, after this many.
    Once(u64),
    /// All after this many, as if the process had been killed there.
    Always(u64),
}

impl Counter {
    pub(crate) fn reset(&self) {
        [&self.0.reads, &self.0.lists, &self.0.writes].into_iter().for_each(|count| count.store(0, Ordering::Relaxed));
    }

    pub(crate) fn delay(&self, is_slow: bool) {
        self.0.is_slow.store(is_slow, Ordering::Relaxed);
    }

    pub(crate) fn total(&self) -> u64 {
        [&self.0.reads, &self.0.lists, &self.0.writes].into_iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Sets which requests fail from now on.
    pub(crate) fn fail(&self, fails: Fails) {
        *self.0.fails.lock().unwrap() = fails;
    }

    /// Whether all requests that were to fail are over.
    pub(crate) fn has_failed(&self) -> bool {
        matches!(*self.0.fails.lock().unwrap(), Fails::Never | Fails::Always(0))
    }

    async fn request(&self, count: &AtomicU64) -> Result<()> {
        count.fetch_add(1, Ordering::Relaxed);
        if self.0.is_slow.load(Ordering::Relaxed) {
            tokio::time::sleep(LATENCY).await;
        }
        let mut fails = self.0.fails.lock().unwrap();
        let (next, is_failure) = match *fails {
            Fails::Never => (Fails::Never, false),
            Fails::Once(0) => (Fails::Never, true),
            Fails::Always(0) => (Fails::Always(0), true),
            Fails::Once(left) => (Fails::Once(left - 1), false),
            Fails::Always(left) => (Fails::Always(left - 1), false),
        };
        *fails = next;
        if is_failure {
            Err(object_store::Error::Generic { store: "test", source: "out of order".into() })
        } else {
            Ok(())
        }
    }

    async fn lists(&self, entries: usize) -> Result<()> {
        for _ in 0..entries.div_ceil(PAGE).max(1) {
            self.request(&self.0.lists).await?;
        }
        Ok(())
    }
}

impl Display for Counter {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let [reads, lists, writes] =
            [&self.0.reads, &self.0.lists, &self.0.writes].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{} ({reads} reads, {lists} lists, {writes} writes)", self.total())
    }
}

/// Counts the requests to all local files from now on. Tests that do so take turns.
pub(crate) async fn count_requests() -> (Counter, MutexGuard<'static, ()>) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let turn = TURN.lock().await;
    let counter = Counter::default();
    let factory = Arc::new(Factory(counter.clone()));
    object_store_factories().insert(Url::parse("file://").unwrap(), factory);
    (counter, turn)
}

struct Factory(Counter);

impl ObjectStoreFactory for Factory {
    fn parse_url_opts(&self, url: &Url, _config: &StorageConfig) -> DeltaResult<(ObjectStoreRef, Path)> {
        let store = Counted { files: LocalFileSystem::new(), counter: self.0.clone() };
        Ok((Arc::new(store), Path::from_url_path(url.path()).unwrap()))
    }
}

#[derive(Debug)]
struct Counted {
    files: LocalFileSystem,
    counter: Counter,
}

impl Display for Counted {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "counted local files")
    }
}

#[async_trait]
impl ObjectStore for Counted {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.counter.request(&self.counter.0.writes).await?;
        self.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.counter.request(&self.counter.0.writes).await?;
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.counter.request(&self.counter.0.reads).await?;
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let counter = self.counter.clone();
        let counted = locations.then(move |location| {
            let counter = counter.clone();
            async move {
                counter.request(&counter.0.writes).await?;
                location
            }
        });
        self.files.delete_stream(counted.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (counter, found) = (self.counter.clone(), self.files.list(prefix));
        let all = async move {
            let found: Vec<ObjectMeta> = found.try_collect().await?;
            counter.lists(found.len()).await?;
            Ok::<_, object_store::Error>(futures::stream::iter(found.into_iter().map(Ok)))
        };
        futures::stream::once(all).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let found = self.files.list_with_delimiter(prefix).await?;
        self.counter.lists(found.common_prefixes.len() + found.objects.len()).await?;
        Ok(found)
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.counter.request(&self.counter.0.writes).await?;
        self.files.copy_opts(from, to, options).await
    }
}
