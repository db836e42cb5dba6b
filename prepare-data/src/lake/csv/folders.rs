//! The change folders of an export: which are complete, what they contain, and the model of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use deltalake::logstore::ObjectStoreRef;
use deltalake::{ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::sync::Mutex;

use super::folder_names::{Complete, complete_folders};
use crate::error::{Context, Error, Result};
use crate::lake::model::{self, Layout, Model};
use crate::location::Location;

/// Folders that are listed concurrently. A request to a storage account takes some 25 ms.
const CONCURRENCY: usize = 64;

/// Folder with the lists of labels of enums, in lower case.
const LABELS_FOLDER: &str = "optionsetmetadata";

/// A file in a change folder.
#[derive(Clone, Debug)]
pub(super) struct ChangeFile {
    pub(super) folder: String,
    pub(super) meta: ObjectMeta,
    pub(super) layout: Arc<Layout>,
}

/// A complete folder that is not read, because the export did not finish it. The export repeats its rows in a later one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedFolder {
    /// Its name.
    pub folder: String,
    /// Why it is not read.
    pub reason: String,
}

/// All change folders. What a folder contains is read when it is needed, and once.
#[derive(Debug)]
pub(in crate::lake) struct ChangeFolders {
    pub(super) lake: Location,
    pub(super) store: ObjectStoreRef,
    pub(super) complete: Complete,
    loaded: Mutex<Loaded>,
}

#[derive(Debug, Default)]
struct Loaded {
    folders: BTreeMap<String, Arc<Folder>>,
    layouts: BTreeSet<Arc<Layout>>,
    skipped: BTreeSet<SkippedFolder>,
}

/// The content of a folder: CSV files and layouts by table, in lower case.
#[derive(Debug, Default)]
struct Folder {
    name: String,
    files: BTreeMap<String, Vec<ObjectMeta>>,
    layouts: BTreeMap<String, Arc<Layout>>,
    /// Lists of labels of enums.
    lists: Vec<ObjectMeta>,
}

impl ChangeFolders {
    pub(super) async fn open(lake: &Location, names: &[String]) -> Result<Self> {
        let store = lake.store()?;
        let complete = complete_folders(lake, names).await?;
        Ok(Self { lake: lake.clone(), store, complete, loaded: Mutex::default() })
    }

    /// Reads what the folders after one contain, or all folders.
    pub(super) async fn load(&self, after: Option<&str>) -> Result<()> {
        let mut loaded = self.loaded.lock().await;
        let wanted = self.complete.after(after).filter(|(key, _)| !loaded.folders.contains_key(key)).cloned();
        let wanted: Vec<_> = wanted.collect();
        let mut contents = futures::stream::iter(wanted)
            .map(|(key, name)| async move { Ok::<_, Error>((key, self.content(&name).await?, name)) })
            .buffer_unordered(CONCURRENCY);
        while let Some((key, (files, model), name)) = contents.try_next().await? {
            let folder = loaded.folder(&self.lake, name, files, model)?;
            loaded.folders.insert(key, Arc::new(folder));
        }
        Ok(())
    }

    /// The files of a table in the folders after one, or in all folders, oldest first.
    pub(super) async fn files(&self, table: &str, after: Option<&str>) -> Result<Vec<ChangeFile>> {
        self.load(after).await?;
        let loaded = self.loaded.lock().await;
        let mut found = Vec::new();
        for (key, _) in self.complete.after(after) {
            let Some(folder) = loaded.folders.get(key) else { continue };
            let Some(files) = folder.files.get(table) else { continue };
            let layout = folder.layouts.get(table).ok_or_else(|| self.not_described(folder, table))?;
            found.extend(files.iter().map(|meta| ChangeFile {
                folder: key.clone(),
                meta: meta.clone(),
                layout: Arc::clone(layout),
            }));
        }
        Ok(found)
    }

    /// Tables that the loaded folders describe or contain.
    pub(super) async fn tables(&self) -> BTreeSet<String> {
        let loaded = self.loaded.lock().await;
        loaded.folders.values().flat_map(|folder| folder.files.keys().chain(folder.layouts.keys())).cloned().collect()
    }

    /// Lists of labels: those of the newest folder that was read and has some; else those of the folder that is being
    /// written; else those of the lake. None if there is nothing new to read. `names` are the folders of the lake.
    pub(super) async fn lists(&self, names: &[String]) -> Result<Vec<ObjectMeta>> {
        {
            let loaded = self.loaded.lock().await;
            if loaded.folders.values().all(|folder| folder.files.is_empty()) {
                return Ok(Vec::new());
            }
            if let Some(newest) = loaded.folders.values().rev().find(|folder| !folder.lists.is_empty()) {
                return Ok(newest.lists.clone());
            }
        }
        let own =
            names.iter().find(|name| name.eq_ignore_ascii_case(LABELS_FOLDER)).map(|name| Path::from(name.as_str()));
        for parent in self.complete.active.iter().map(|name| Path::from(name.as_str())).chain(own) {
            let what = format!("list {}{parent}", self.lake);
            let files: Vec<ObjectMeta> = self.store.list(Some(&parent)).try_collect().await.context(&what)?;
            let lists = files.into_iter().filter(|meta| is_csv(meta) && is_list(meta)).collect::<Vec<_>>();
            if !lists.is_empty() {
                return Ok(lists);
            }
        }
        Ok(Vec::new())
    }

    pub(in crate::lake) async fn skipped(&self) -> Vec<SkippedFolder> {
        self.loaded.lock().await.skipped.iter().cloned().collect()
    }

    /// An error if folders with files were read, and none has a model.
    pub(super) async fn require_models(&self) -> Result<()> {
        let loaded = self.loaded.lock().await;
        match loaded.skipped.first() {
            Some(first) if loaded.folders.values().all(|folder| folder.layouts.is_empty()) => {
                Err(Error::Export(format!(
                    "{}{}: {}, and no other change folder has a model either. Each folder is read by its own model, because the \
                 columns of a table can change. Copy the model.json that belongs to each folder into it, or export again",
                    self.lake, first.folder, first.reason
                )))
            }
            _ => Ok(()),
        }
    }

    fn not_described(&self, folder: &Folder, table: &str) -> Error {
        Error::Export(format!(
            "{}{}/model.json does not describe {table}, whose files are in that folder. The columns of other folders may \
             differ, so they are not used. Export the table again, or correct that model.json",
            self.lake, folder.name
        ))
    }

    /// The files of a folder, and the text of its model.
    async fn content(&self, name: &str) -> Result<(Vec<ObjectMeta>, Option<Vec<u8>>)> {
        let what = format!("list {}{name}", self.lake);
        let files: Vec<ObjectMeta> = self.store.list(Some(&Path::from(name))).try_collect().await.context(&what)?;
        let has_rows = files.iter().any(is_csv);
        let model = files
            .iter()
            .find(|meta| place(name, meta).is_some_and(|(table, file)| table.is_none() && file == model::FILE));
        let Some(model) = model.filter(|_| has_rows) else { return Ok((files, None)) };
        let what = format!("read {}{}", self.lake, model.location);
        let text = self.store.get(&model.location).await.context(&what)?.bytes().await.context(&what)?;
        Ok((files, Some(text.to_vec())))
    }
}

impl Loaded {
    fn folder(
        &mut self,
        lake: &Location,
        name: String,
        files: Vec<ObjectMeta>,
        model: Option<Vec<u8>>,
    ) -> Result<Folder> {
        let mut folder = Folder { name, ..Folder::default() };
        for meta in files.into_iter().filter(is_csv) {
            if let Some((Some(table), _)) = place(&folder.name, &meta) {
                folder.files.entry(table).or_default().push(meta);
            }
        }
        folder.lists = folder.files.remove(LABELS_FOLDER).unwrap_or_default();
        folder.files.values_mut().for_each(|files| files.sort_by(|one, other| one.location.cmp(&other.location)));
        if folder.files.is_empty() {
            return Ok(folder);
        }
        let text = model.as_deref().map(String::from_utf8_lossy);
        let Some(model) = text.as_deref().and_then(Model::parse) else {
            let reason = if text.is_some() { "its model.json is empty or cut" } else { "it has no model.json" };
            self.skipped.insert(SkippedFolder { folder: folder.name.clone(), reason: reason.to_owned() });
            folder.files.clear();
            return Ok(folder);
        };
        for entity in model.entities() {
            let layout = Arc::new(entity.layout(&format!("{lake}{}/model.json", folder.name))?);
            // Thousands of folders have the same columns.
            let layout = self.layouts.get(&layout).cloned().unwrap_or(layout);
            self.layouts.insert(Arc::clone(&layout));
            folder.layouts.insert(entity.name.to_lowercase(), layout);
        }
        Ok(folder)
    }
}

/// Whether a file is in a folder with lists of labels.
fn is_list(meta: &ObjectMeta) -> bool {
    meta.location.parts().any(|part| part.as_ref().eq_ignore_ascii_case(LABELS_FOLDER))
}

fn is_csv(meta: &ObjectMeta) -> bool {
    meta.size > 0 && meta.location.as_ref().to_lowercase().ends_with(".csv")
}

/// The table, and the path in its folder, of a file in a change folder; in lower case.
fn place(folder: &str, meta: &ObjectMeta) -> Option<(Option<String>, String)> {
    let prefix = Path::from(folder);
    let inside = meta.location.as_ref().strip_prefix(prefix.as_ref())?.trim_start_matches('/').to_lowercase();
    Some(match inside.split_once('/') {
        Some((table, file)) => (Some(table.to_owned()), file.to_owned()),
        None => (None, inside),
    })
}
