//! The names of an overlay's files.

use std::collections::BTreeMap;

use super::{COLUMNS, Overlay, sources};
use crate::error::OverlayError;
use crate::names::meant;

/// The folders whose files are read.
const FOLDERS: [&str; 6] = ["gold", "silver", "steps", "rejected", "checks", "shared"];

/// Of these, the folders whose files become tables of one session.
const TABLES: [&str; 3] = ["silver", "shared", "steps"];

/// Tables that the program adds to sessions.
const RESERVED: [&str; 7] =
    ["parameters", "party_type_names", "affected", "existing", "own_columns", "rejections", "shipped_rows"];

impl Overlay {
    /// Refuses files that would replace shipped ones, and files that would not be used.
    pub(super) fn check_names(&self, shipped: &BTreeMap<String, String>) -> Result<(), OverlayError> {
        for path in self.files.keys().filter(|path| *path != sources::FILE) {
            let misplaced = || OverlayError::Misplaced { file: self.named(path), folders: FOLDERS.join(", ") };
            let (folder, file) = path.split_once('/').ok_or_else(misplaced)?;
            let name = file.strip_suffix(".sql").filter(|name| FOLDERS.contains(&folder) && !name.contains('/'));
            let name = name.ok_or_else(misplaced)?;
            if shipped.contains_key(path) {
                return Err(OverlayError::Shipped { file: self.named(path) });
            }
            match (folder, file.strip_suffix(COLUMNS), name.strip_suffix(".changes")) {
                ("gold", Some(table), _) => self.require_shipped_table(path, table, shipped)?,
                ("gold", None, Some(table)) => self.require_own_table(path, table)?,
                ("rejected", ..) => self.require_own_table(path, name)?,
                _ => {}
            }
            if TABLES.contains(&folder) {
                self.require_free_name(path, folder, name, shipped)?;
            }
        }
        Ok(())
    }

    fn require_shipped_table(
        &self,
        path: &str,
        table: &str,
        shipped: &BTreeMap<String, String>,
    ) -> Result<(), OverlayError> {
        if shipped.contains_key(&format!("gold/{table}.sql")) {
            return Ok(());
        }
        if self.files.contains_key(&format!("gold/{table}.sql")) {
            return Err(OverlayError::NoTarget {
                file: self.named(path),
                wanted: format!("a shipped table {table}"),
                hint: String::new(),
                remedy: format!("{table} is a table of the overlay: write its columns in gold/{table}.sql"),
            });
        }
        let tables = shipped.keys().filter_map(|path| path.strip_prefix("gold/")?.strip_suffix(".sql"));
        let tables: Vec<&str> = tables.filter(|name| !name.ends_with(".changes")).collect();
        Err(OverlayError::NoTarget {
            file: self.named(path),
            wanted: format!("a published table {table}"),
            hint: meant(table, &tables),
            remedy: "Give the file the name of the table that gets the columns".to_owned(),
        })
    }

    fn require_own_table(&self, path: &str, table: &str) -> Result<(), OverlayError> {
        if self.files.contains_key(&format!("gold/{table}.sql")) {
            return Ok(());
        }
        Err(OverlayError::NoTarget {
            file: self.named(path),
            wanted: format!("a file gold/{table}.sql of the overlay"),
            hint: String::new(),
            remedy: "Write that file, or remove this one: how shipped tables are updated and what they leave out stays as shipped"
                .to_owned(),
        })
    }

    /// Refuses a name that another file of the shipped ones or of the overlay has, in another folder.
    fn require_free_name(
        &self,
        path: &str,
        folder: &str,
        name: &str,
        shipped: &BTreeMap<String, String>,
    ) -> Result<(), OverlayError> {
        let mut others = TABLES.iter().filter(|other| **other != folder).map(|other| format!("{other}/{name}.sql"));
        let taken = others.find(|other| shipped.contains_key(other) || self.files.contains_key(other));
        let reserved = RESERVED.iter().find(|reserved| **reserved == name).map(|_| "the program".to_owned());
        match taken.or(reserved) {
            None => Ok(()),
            Some(by) => Err(OverlayError::NameTaken { file: self.named(path), name: name.to_owned(), by }),
        }
    }
}
