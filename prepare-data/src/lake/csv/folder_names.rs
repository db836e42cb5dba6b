//! Names of change folders, and which of them are complete.

use crate::error::{Error, Result};
use crate::location::Location;

/// Complete change folders, oldest first, as (sortable name, name).
#[derive(Clone, Debug, Default)]
pub(super) struct Complete {
    folders: Vec<(String, String)>,
    /// Folders that are not complete, or not known to be.
    pub(super) incomplete: usize,
    /// Whether `changelog.info` says which folder is being written.
    pub(super) has_changelog: bool,
    /// The folder that is being written, if it is there.
    pub(super) active: Option<String>,
}

impl Complete {
    pub(super) fn after(&self, folder: Option<&str>) -> impl Iterator<Item = &(String, String)> {
        let after = folder.unwrap_or_default().to_owned();
        self.folders.iter().filter(move |(key, _)| *key > after)
    }

    pub(super) fn first(&self) -> Option<&str> {
        self.folders.first().map(|(key, _)| key.as_str())
    }

    pub(super) fn last(&self) -> Option<&str> {
        self.folders.last().map(|(key, _)| key.as_str())
    }

    /// Why nothing can be read, if there is no complete folder.
    pub(super) fn require_any(&self, lake: &Location) -> Result<()> {
        if !self.folders.is_empty() {
            return Ok(());
        }
        let why = match (self.incomplete, self.has_changelog) {
            (0, _) => "it has a model.json and no change folder, as 2026-11-22T05.00.00Z".to_owned(),
            (count, true) => format!(
                "Changelog/changelog.info names a folder that is not newer than any of the {count} change folders"
            ),
            (count, false) => format!(
                "it has {count} change folder and no Changelog/changelog.info, which says that a folder is complete; without it, \
                 the newest counts as being written"
            ),
        };
        Err(Error::Export(format!(
            "nothing was read of {lake}: {why}. Wait for the next folder of the export, or check its folder"
        )))
    }
}

/// Finds the complete folders among the names of folders.
pub(super) async fn complete_folders(lake: &Location, names: &[String]) -> Result<Complete> {
    let keyed = names.iter().filter_map(|name| Some((folder_key(name)?, name.clone())));
    let mut folders: Vec<(String, String)> = keyed.collect();
    folders.sort();
    let all = folders.len();
    // <https://learn.microsoft.com/power-apps/maker/data-platform/azure-synapse-incremental-updates>: the file names the
    // folder still being written. Without this file, the newest folder may be that one.
    let active = active_folder(lake, names).await?;
    let being_written = match &active {
        Some(active) => {
            let found = folders.iter().find(|(key, _)| key == active).cloned();
            folders.retain(|(key, _)| key < active);
            found
        }
        None => folders.pop(),
    };
    let incomplete = all - folders.len();
    if incomplete > 1 {
        tracing::warn!(
            folders = incomplete,
            "changelog.info is older than the newest change folders: they are not read"
        );
    }
    Ok(Complete { folders, incomplete, has_changelog: active.is_some(), active: being_written.map(|(_, name)| name) })
}

async fn active_folder(lake: &Location, names: &[String]) -> Result<Option<String>> {
    for name in names.iter().filter(|name| name.eq_ignore_ascii_case("changelog")) {
        let listing = lake.list(name).await?;
        let Some(file) = listing.files.iter().find(|file| file.eq_ignore_ascii_case("changelog.info")) else {
            continue;
        };
        let text = lake.read(&format!("{name}/{file}")).await?;
        return Ok(text.and_then(|text| folder_key(text.trim().trim_matches(['"', '/', '\u{feff}']).trim())));
    }
    Ok(None)
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
