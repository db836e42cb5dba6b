//! Folders: on this machine, or in a storage account.

use std::collections::HashMap;
use std::sync::Arc;

use deltalake::logstore::{LogStoreRef, ObjectStoreRef};
use deltalake::{DeltaTable, DeltaTableBuilder, ObjectStore, Path};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use url::Url;

use crate::error::{Error, Result, Trying};

/// Addresses of storage accounts, and of this machine.
const SCHEMES: [&str; 6] = ["abfss", "abfs", "az", "azure", "adl", "file"];

/// A folder, and what it takes to reach it.
#[derive(Clone, Debug)]
pub struct Location {
    url: Url,
    options: Arc<HashMap<String, String>>,
}

impl Location {
    /// From a path, or an address as `abfss://container@account.dfs.core.windows.net/folder`. A storage account is opened
    /// with the identity that the environment gives (managed or workload identity, `AZURE_*`), see
    /// <https://docs.rs/object_store/latest/object_store/azure/enum.AzureConfigKey.html>.
    ///
    /// # Errors
    /// [`Error::Settings`] if it is neither.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: String| {
            Error::Settings(format!(
                "`{text}` is no folder: {why}. Give a path, or abfss://container@account.dfs.core.windows.net/folder"
            ))
        };
        let url = if text.contains("://") {
            let url = Url::parse(&with_slash(text)).map_err(|error| wrong(error.to_string()))?;
            if !SCHEMES.contains(&url.scheme()) {
                return Err(wrong(format!("{} is no kind of store that is known", url.scheme())));
            }
            if url.scheme() != "file" && !url.has_host() {
                return Err(wrong("it names no container and account".to_owned()));
            }
            url
        } else {
            let path = std::path::absolute(text).map_err(|error| wrong(error.to_string()))?;
            Url::from_directory_path(&path).map_err(|()| wrong("no absolute path".to_owned()))?
        };
        Ok(Self { url, options: Arc::new(identity_options()) })
    }

    /// A folder inside.
    pub fn join(&self, folder: &str) -> Self {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(folder.split('/').filter(|part| !part.is_empty())).push("");
        }
        Self { url, options: Arc::clone(&self.options) }
    }

    /// Makes the folder where folders have to be made; a storage account needs none.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn create(&self) -> Result<()> {
        let Ok(path) = self.url.to_file_path() else { return Ok(()) };
        std::fs::create_dir_all(&path)
            .map_err(|source| Error::Store { what: format!("make {self}"), source: source.into() })
    }

    /// Its address.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What a store needs besides the address.
    pub fn options(&self) -> HashMap<String, String> {
        self.options.as_ref().clone()
    }

    /// A Delta table here, whether it exists or not.
    ///
    /// # Errors
    /// The address is of no store that is known.
    pub fn table(&self) -> Result<DeltaTableBuilder> {
        Ok(DeltaTableBuilder::from_url(self.url.clone())
            .trying(format!("reach {self}"))?
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
            true => self.table()?.load().await.map(Some).trying(format!("open the table {self}")),
            false => Ok(None),
        }
    }

    /// The files here, with paths from here.
    ///
    /// # Errors
    /// The address is of no store that is known.
    pub fn store(&self) -> Result<ObjectStoreRef> {
        Ok(self.log_store()?.object_store(None))
    }

    pub(super) fn log_store(&self) -> Result<LogStoreRef> {
        self.create()?;
        self.table()?.build_storage().trying(format!("reach {self}"))
    }

    /// Names of the folders in a folder.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn folders(&self, inside: &str) -> Result<Vec<String>> {
        let store = self.store()?;
        let prefix = Path::from(inside);
        let found = store.list_with_delimiter(Some(&prefix)).await.trying(format!("list {self}{inside}"))?;
        Ok(found.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// Whether a folder holds a Delta table.
    ///
    /// # Errors
    /// It cannot be listed.
    pub async fn holds_table(&self, folder: &str) -> Result<bool> {
        let log = Path::from(format!("{folder}/_delta_log"));
        match self.store()?.list(Some(&log)).next().await {
            None => Ok(false),
            Some(found) => found.map(|_| true).trying(format!("list {self}{log}")),
        }
    }

    /// A file's text, if it exists.
    ///
    /// # Errors
    /// It cannot be read, or is no text.
    pub async fn read(&self, file: &str) -> Result<Option<String>> {
        let what = format!("read {self}{file}");
        match self.store()?.get(&Path::from(file)).await {
            Err(deltalake::ObjectStoreError::NotFound { .. }) => Ok(None),
            found => {
                let bytes = found.trying(&what)?.bytes().await.trying(&what)?;
                let text = String::from_utf8(bytes.to_vec());
                text.map(Some).map_err(|source| Error::Store { what, source: Box::new(source) })
            }
        }
    }

    /// Writes a file whole: a reader sees the old text or the new.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn write(&self, file: &str, text: String) -> Result<()> {
        let written = self.store()?.put(&Path::from(file), text.into()).await;
        written.map(drop).trying(format!("write {self}{file}"))
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

fn with_slash(text: &str) -> String {
    format!("{}/", text.trim_end_matches('/'))
}

/// Functions give a managed identity by an endpoint of their own, which the store has to be told.
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
    fn folders_of_both_kinds_are_joined() {
        let account = Location::parse("abfss://lake@shop.dfs.core.windows.net/export").unwrap();
        assert_eq!(
            account.join("deltalake/custtable").url().as_str(),
            "abfss://lake@shop.dfs.core.windows.net/export/deltalake/custtable/"
        );
        assert_eq!(Location::parse("/tmp/a/").unwrap().join("b").to_string(), "/tmp/a/b/");
    }

    #[test]
    fn what_is_no_folder_is_refused_with_an_example() {
        let error = Location::parse("abfss://").unwrap_err().to_string();
        assert!(error.contains("abfss://container@account"), "{error}");
        assert!(Location::parse("ftp://shop/export").is_err());
    }
}
