//! An overlay: own columns and own tables, as a few files beside the shipped ones. It adds and replaces nothing, so a new
//! version of the shipped files needs no merge.

mod names;
mod sources;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Catalog, GoldTable, Script, files_of, scripts};
use crate::error::{OverlayError, Result};

/// The end of the name of a file with own columns of a published table.
const COLUMNS: &str = ".columns.sql";

/// Own columns of a published table.
#[derive(Clone, Debug)]
pub struct OwnColumns {
    /// The key of the table, and the columns.
    pub script: Script,
    /// The file, as errors name it.
    pub file: String,
    /// Silver and shared tables that it reads.
    pub reads: Vec<String>,
}

/// What else an overlay adds, by name.
#[derive(Clone, Debug, Default)]
pub struct OwnFiles {
    /// Own source tables.
    pub sources: Vec<String>,
    /// Own columns of shipped source tables.
    pub source_columns: BTreeMap<String, Vec<String>>,
    /// Own checks.
    pub checks: Vec<String>,
}

/// The files of an overlay, by path inside its folder.
pub(super) struct Overlay {
    folder: PathBuf,
    files: BTreeMap<String, String>,
}

impl Overlay {
    /// Reads the SQL files and `sources.json` of a folder. Other files are for people.
    pub(super) fn read(folder: &Path) -> Result<Self, OverlayError> {
        let is_read = |path: &Path| {
            path.extension().is_some_and(|extension| extension == "sql") || path.ends_with("sources.json")
        };
        let files = files_of(folder, is_read).map_err(|(path, source)| OverlayError::Unreadable { path, source })?;
        if files.is_empty() {
            return Err(OverlayError::Empty { folder: folder.to_owned() });
        }
        Ok(Self { folder: folder.to_owned(), files })
    }

    /// The shipped files with what the overlay adds.
    pub(super) fn catalog(&self, mut files: BTreeMap<String, String>) -> Result<Catalog> {
        self.check_names(&files)?;
        let added = self.files.iter().filter(|(path, _)| *path != sources::FILE && !path.ends_with(COLUMNS));
        files.extend(added.map(|(path, text)| (path.clone(), text.clone())));
        let mut catalog = Catalog::of(&files)?;
        let shipped_parameters = catalog.sources.parameters.len();
        let extended = self.extend_sources(&mut catalog.sources)?;
        let mut own = OwnFiles { checks: self.names("checks/"), sources: self.names("silver/"), ..OwnFiles::default() };
        for (table, columns) in extended {
            if let Some(shipped) = catalog.silver.remove(&table) {
                let names = columns.iter().map(|column| column.name.clone()).collect();
                catalog.silver.insert(table.clone(), sources::with_own_columns(shipped, &columns));
                own.source_columns.insert(table, names);
            }
        }
        for table in catalog.sources.tables.iter().filter(|table| own.sources.contains(&table.name)) {
            if let Some(silver) = catalog.silver.get_mut(&table.name) {
                silver.depends_on(&sources::types(table));
            }
        }
        let parameters = sources::defaults(catalog.sources.parameters.get(shipped_parameters..).unwrap_or_default());
        let steps = scripts(&files, "steps/")?;
        for table in &mut catalog.gold {
            self.add_to(table, &steps, &parameters)?;
        }
        catalog.overlay = Some(own);
        Ok(catalog)
    }

    /// Adds own columns to a table, if there are some.
    fn add_to(&self, table: &mut GoldTable, steps: &BTreeMap<String, Script>, parameters: &str) -> Result<()> {
        let path = format!("gold/{}.sql", table.name());
        if self.files.contains_key(&path) {
            table.own_file = Some(self.named(&path));
            table.rows.depends_on(parameters);
            table.rejected.iter_mut().for_each(|rejected| rejected.depends_on(parameters));
        }
        let path = format!("gold/{}{COLUMNS}", table.name());
        let Some(text) = self.files.get(&path) else { return Ok(()) };
        let mut script = Script::parse(&format!("{}.columns", table.name()), text)?.with_used(steps)?;
        script.depends_on(parameters);
        let reads = script.list("reads")?;
        for name in &reads {
            if !table.reads.contains(name) {
                table.reads.push(name.clone());
            }
        }
        table.columns = Some(OwnColumns { script, file: self.named(&path), reads });
        Ok(())
    }

    /// The names of the files in a folder.
    fn names(&self, folder: &str) -> Vec<String> {
        let names = self.files.keys().filter_map(|path| path.strip_prefix(folder)?.strip_suffix(".sql"));
        names.map(str::to_owned).collect()
    }

    /// A file, as errors name it.
    fn named(&self, path: &str) -> String {
        self.folder.join(path).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of an overlay with these files over a small set of shipped ones.
    fn outcome(own: &[(&str, &str)]) -> Result<Catalog, String> {
        let sources = r#"{"parameters": [], "tables": [
            {"name": "things", "about": "Things", "columns": [{"name": "color", "type": "string"}]}]}"#;
        let gold =
            "-- Things.\n-- key: thing_id\n-- driver: things\n-- reads: things\nselect id as thing_id from things";
        let shipped = [
            ("sources.json", sources),
            ("silver/current_rows.sql", "select 1"),
            ("silver/things.sql", "-- Things.\nselect id, color from current_things"),
            ("steps/parts.sql", "select 1 as part"),
            ("gold/thing_list.sql", gold),
        ];
        let texts = |files: &[(&str, &str)]| {
            files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect::<BTreeMap<_, _>>()
        };
        let overlay = Overlay { folder: PathBuf::from("mine"), files: texts(own) };
        overlay.catalog(texts(&shipped)).map_err(|error| error.to_string())
    }

    fn refusal(path: &str, text: &str) -> String {
        outcome(&[(path, text)]).unwrap_err()
    }

    #[test]
    fn columns_belong_to_the_table_and_what_they_read_as_well() {
        let own = r#"{"tables": [{"name": "things", "columns": [{"name": "size", "type": "string"}]},
            {"name": "places", "about": "Places", "columns": []}]}"#;
        let columns = "-- reads: places\nselect id as thing_id, size from things";
        let catalog = outcome(&[
            ("sources.json", own),
            ("silver/places.sql", "select id from current_places"),
            ("gold/thing_list.columns.sql", columns),
        ])
        .unwrap();
        let table = &catalog.gold[0];
        assert_eq!(table.reads, ["things", "places"]);
        assert_eq!(table.columns.as_ref().unwrap().script.name, "thing_list.columns");
        let silver = catalog.silver["things"].steps.last().unwrap();
        assert!(silver.sql.contains("nullif(trim(own.size), '') as size"), "{}", silver.sql);
        assert_eq!(catalog.sources.tables[0].columns.len(), 2);
    }

    #[test]
    fn an_overlay_adds_and_does_not_replace() {
        assert!(refusal("gold/thing_list.sql", "select 1").contains("the name of a shipped file"));
        assert!(refusal("silver/parts.sql", "select 1").contains("taken by steps/parts.sql"));
        assert!(refusal("golden/a.sql", "select 1").contains("would not be read"));
        let error = refusal("gold/thing_lits.columns.sql", "select 1");
        assert!(error.contains("thing_lits") && error.contains("is thing_list meant?"), "{error}");
        assert!(refusal("rejected/thing_list.sql", "select 1").contains("gold/thing_list.sql of the overlay"));
        assert!(refusal("silver/places.sql", "select 1").contains("sources.json"));
    }

    #[test]
    fn source_columns_are_new_and_complete() {
        let column = |table: &str| format!(r#"{{"tables": [{table}]}}"#);
        let taken = column(r#"{"name": "things", "columns": [{"name": "color", "type": "string"}]}"#);
        assert!(refusal("sources.json", &taken).contains("color already"));
        let changed = column(r#"{"name": "things", "required": true, "columns": []}"#);
        assert!(refusal("sources.json", &changed).contains("stay as shipped"));
        let unknown = column(r#"{"name": "things", "columns": [{"name": "size", "type": "text"}]}"#);
        assert!(refusal("sources.json", &unknown).contains("unknown type text"));
        let unread = column(r#"{"name": "places", "about": "Places", "columns": []}"#);
        assert!(refusal("sources.json", &unread).contains("silver/places.sql"));
    }
}
