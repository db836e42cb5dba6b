//! Finds change folders and their files.

use std::sync::Arc;

use deltalake::{ObjectMeta, Path};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;

use crate::error::{Context, Result};
use crate::lake::model::Entity;
use crate::location::Location;

/// A file in a change folder.
#[derive(Clone, Debug)]
pub(super) struct ChangeFile {
    pub(super) folder: String,
    pub(super) meta: ObjectMeta,
    pub(super) columns: usize,
}

/// Complete change folders, oldest first, as (sortable name, name).
pub(super) async fn finished_folders(lake: &Location) -> Result<Vec<(String, String)>> {
    let mut folders: Vec<(String, String)> =
        lake.folders("").await?.into_iter().filter_map(|folder| Some((folder_key(&folder)?, folder))).collect();
    folders.sort();
    // <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>: the file names the
    // folder still being written. Without this file, the newest folder may be that one.
    let active = lake
        .read("Changelog/changelog.info")
        .await?
        .and_then(|text| folder_key(text.trim().trim_matches(['"', '/', '\u{feff}'])));
    match active {
        Some(active) => folders.retain(|(key, _)| *key < active),
        None => drop(folders.pop()),
    }
    Ok(folders)
}

/// A change folder's name with the same separators everywhere, so that names sort by time; `None` for other folders.
/// The documentation has colons (`2026-11-22T05:00:00.123Z`), real exports have dots (`2026-11-22T05.00.00Z`).
fn folder_key(name: &str) -> Option<String> {
    let (date, time) = name.split_once('T')?;
    chrono::NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()?;
    let digits: Vec<&str> = time.trim_end_matches(['Z', 'z']).split([':', '.', '-']).collect();
    let all_digits = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits.len() < 3 || !digits.iter().all(all_digits) {
        return None;
    }
    let fraction = digits.get(3).copied().unwrap_or("0");
    Some(format!("{date}T{}:{}:{}.{fraction:0<7}", digits[0], digits[1], digits[2]))
}

/// The CSV files of a table, with the number of columns of each.
pub(super) async fn change_files(
    lake: &Location,
    folders: &[(String, String)],
    table: &str,
    entity: &Entity,
) -> Result<Vec<ChangeFile>> {
    let store = lake.store()?;
    let mut found = Vec::new();
    for (key, folder) in folders {
        let listed = store.list(Some(&Path::from(format!("{folder}/{table}"))));
        let files: Vec<ObjectMeta> = listed.try_collect().await.context(format!("list {lake}{folder}/{table}"))?;
        let csv =
            files.into_iter().filter(|meta| meta.size > 0 && meta.location.as_ref().to_lowercase().ends_with(".csv"));
        found.extend(csv.map(|meta| (key.clone(), meta)));
    }
    let measured = futures::stream::iter(found).map(|(folder, meta)| {
        let store = Arc::clone(&store);
        let delimiter = entity.delimiter();
        async move {
            let what = format!("read {lake}{}", meta.location);
            let head = store.get_range(&meta.location, 0..meta.size.min(256 * 1024)).await.context(&what)?;
            let mut reader =
                ::csv::ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(head.as_ref());
            let columns = reader.records().next().and_then(Result::ok).map_or(0, |record| record.len());
            Ok(ChangeFile { folder, meta, columns })
        }
    });
    let mut files: Vec<ChangeFile> = measured.buffered(16).try_collect().await?;
    files.sort_by(|a, b| (&a.folder, &a.meta.location).cmp(&(&b.folder, &b.meta.location)));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_sort_by_time_with_all_separators() {
        let dots = folder_key("2026-11-22T05.00.00Z").unwrap();
        let colons = folder_key("2026-11-22T05:00:00.1230000Z").unwrap();
        assert!(dots < colons);
        assert_eq!(folder_key("deltalake"), None);
        assert_eq!(folder_key("OptionsetMetadata"), None);
    }
}
