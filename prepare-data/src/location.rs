//! Folders on this machine or in a storage account.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, ObjectStoreRef};
use deltalake::{DeltaTable, DeltaTableBuilder, ObjectStore, Path};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use url::Url;

use crate::error::{Context, Error, Result};

/// URL schemes of storage accounts, and of this machine.
const SCHEMES: [&str; 6] = ["abfss", "abfs", "az", "azure", "adl", "file"];

/// A folder, with the options of its object store.
#[derive(Clone, Debug)]
pub struct Location {
    url: Url,
    options: Arc<HashMap<String, String>>,
}

/// Names of the folders and files in a folder.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// Folders.
    pub folders: Vec<String>,
    /// Files.
    pub files: Vec<String>,
}

impl Location {
    /// Parses a path, or a URL as `abfss://container@account.dfs.core.windows.net/folder`. A storage account is opened with
    /// the identity of the environment (managed or workload identity, `AZURE_*`), see
    /// <https://docs.rs/object_store/latest/object_store/azure/enum.AzureConfigKey.html>.
    ///
    /// # Errors
    /// [`Error::Settings`] if it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::Settings(format!(
                "`{text}` is not a folder: {why}. Give a path, or abfss://container@account.dfs.core.windows.net/folder"
            ))
        };
        let url = if text.contains("://") {
            let url = Url::parse(&with_slash(text)).map_err(|error| wrong(error.to_string()))?;
            if !SCHEMES.contains(&url.scheme()) {
                return Err(wrong(format!("the scheme {} is not supported", url.scheme())));
            }
            if url.scheme() != "file" && !url.has_host() {
                return Err(wrong("it has no container and account".to_owned()));
            }
            url
        } else {
            let path = std::path::absolute(text).map_err(|error| wrong(error.to_string()))?;
            let path = without_parents(&path);
            Url::from_directory_path(&path).map_err(|()| wrong("the path is not absolute".to_owned()))?
        };
        Ok(Self { url, options: Arc::new(identity_options()) })
    }

    /// A folder in this folder.
    pub fn join(&self, folder: &str) -> Self {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(folder.split('/').filter(|part| !part.is_empty())).push("");
        }
        Self { url, options: Arc::clone(&self.options) }
    }

    /// Creates the folder on this machine. A storage account needs no folders.
    ///
    /// # Errors
    /// The folder cannot be created.
    pub fn create(&self) -> Result<()> {
        let Ok(path) = self.url.to_file_path() else { return Ok(()) };
        std::fs::create_dir_all(&path)
            .map_err(|source| Error::Store { what: format!("create {self}"), source: source.into() })
    }

    /// Its URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Options of the object store.
    pub fn options(&self) -> HashMap<String, String> {
        self.options.as_ref().clone()
    }

    /// A Delta table here, whether it exists or not.
    ///
    /// # Errors
    /// The scheme of the URL is not supported.
    pub fn table(&self) -> Result<DeltaTableBuilder> {
        Ok(DeltaTableBuilder::from_url(self.url.clone())
            .context(format!("reach {self}"))?
            .with_storage_options(self.options()))
    }

    /// The Delta table here, if there is one.
    ///
    /// # Errors
    /// It exists and cannot be read.
    pub async fn open(&self) -> Result<Option<DeltaTable>> {
        let is_there = match self.url.to_file_path() {
            Ok(path) => path.join("_delta_log").exists(),
            Err(()) => self.holds_table("").await?,
        };
        match is_there {
            true => self.table()?.load().await.map(Some).context(format!("open the table {self}")),
            false => Ok(None),
        }
    }

    /// The object store of this folder, with paths relative to it.
    ///
    /// # Errors
    /// The scheme of the URL is not supported.
    pub fn store(&self) -> Result<ObjectStoreRef> {
        Ok(self.log_store()?.object_store(None))
    }

    pub(crate) fn log_store(&self) -> Result<LogStoreRef> {
        self.create()?;
        self.table()?.build_storage().context(format!("reach {self}"))
    }

    /// What is directly in a folder.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn list(&self, inside: &str) -> Result<Listing> {
        let store = self.store()?;
        let found =
            store.list_with_delimiter(Some(&Path::from(inside))).await.context(format!("list {self}{inside}"))?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(Listing {
            folders: found.common_prefixes.iter().filter_map(name).collect(),
            files: found.objects.iter().filter_map(|file| name(&file.location)).collect(),
        })
    }

    /// Whether a folder contains a Delta table.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn holds_table(&self, folder: &str) -> Result<bool> {
        let log = Path::from(format!("{folder}/_delta_log"));
        match self.store()?.list(Some(&log)).next().await {
            None => Ok(false),
            Some(found) => found.map(|_| true).context(format!("list {self}{log}")),
        }
    }

    /// A file's text, if it exists.
    ///
    /// # Errors
    /// It cannot be read, or is not text.
    pub async fn read(&self, file: &str) -> Result<Option<String>> {
        let what = format!("read {self}{file}");
        match self.store()?.get(&Path::from(file)).await {
            Err(deltalake::ObjectStoreError::NotFound { .. }) => Ok(None),
            found => {
                let bytes = found.context(&what)?.bytes().await.context(&what)?;
                let text = String::from_utf8(bytes.to_vec());
                text.map(Some).map_err(|source| Error::Store { what, source: Box::new(source) })
            }
        }
    }

    /// Writes a file in one step: a reader sees the old text or the new text.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write(&self, file: &str, text: String) -> Result<()> {
        let written = self.store()?.put(&Path::from(file), text.into()).await;
        written.map(drop).context(format!("write {self}{file}"))
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.url.to_file_path() {
            Ok(path) => write!(f, "{}/", path.display().to_string().trim_end_matches('/')),
            Err(()) => write!(f, "{}", self.url),
        }
    }
}

/// The path without `..`, so that two ways to write a folder are equal.
fn without_parents(path: &std::path::Path) -> std::path::PathBuf {
    let mut plain = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

fn with_slash(text: &str) -> String {
    format!("{}/", text.trim_end_matches('/'))
}

/// Azure Functions has its own endpoint for managed identities. The object store needs it as an option.
/// <https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference>
fn identity_options() -> HashMap<String, String> {
    let mut options = HashMap::new();
    if let Ok(endpoint) = std::env::var("IDENTITY_ENDPOINT") {
        options.insert("msi_endpoint".to_owned(), endpoint);
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_both_types_are_joined() {
        let account = Location::parse("abfss://lake@shop.dfs.core.windows.net/export").unwrap();
        assert_eq!(
            account.join("deltalake/custtable").url().as_str(),
            "abfss://lake@shop.dfs.core.windows.net/export/deltalake/custtable/"
        );
        assert_eq!(Location::parse("/tmp/a/").unwrap().join("b").to_string(), "/tmp/a/b/");
    }

    #[test]
    fn a_wrong_location_is_refused_with_an_example() {
        let error = Location::parse("abfss://").unwrap_err().to_string();
        assert!(error.contains("abfss://container@account"), "{error}");
        assert!(Location::parse("ftp://shop/export").is_err());
    }
}
