//! Checks of references between published tables: a list, and one template.

use serde::Deserialize;

use super::script::Script;
use crate::error::{Error, Result};

/// A reference from a column of a published table to the same column of another table.
#[derive(Debug, Deserialize)]
struct Reference {
    name: String,
    about: String,
    table: String,
    column: String,
    target: String,
    /// Which rows are checked; all rows if it is missing.
    condition: Option<String>,
}

/// One script for each reference in the list.
pub(super) fn reference_checks(list: &str, template: &str) -> Result<Vec<Script>> {
    let references: Vec<Reference> =
        serde_json::from_str(list).map_err(|error| Error::Catalog(format!("sql/checks/references.json: {error}")))?;
    references.iter().map(|reference| reference.script(template)).collect()
}

impl Reference {
    fn script(&self, template: &str) -> Result<Script> {
        let Self { name, about, table, column, target, condition } = self;
        let statement = template
            .replace("{table}", table)
            .replace("{column}", column)
            .replace("{target}", target)
            .replace("{condition}", condition.as_deref().unwrap_or("true"));
        Script::parse(name, &format!("-- {about}\n-- reads: {table}, {target}\n\n{statement}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_becomes_a_script_with_its_tables() {
        let list = r#"[{"name": "a", "about": "Rows of t.", "table": "t", "column": "c", "target": "u"}]"#;
        let scripts = reference_checks(list, "-- {table}\nselect {column} from {table} where {condition}\n").unwrap();
        assert_eq!((scripts[0].name.as_str(), scripts[0].about.as_str()), ("a", "Rows of t."));
        assert_eq!(scripts[0].directive("reads"), Some("t, u"));
        assert!(scripts[0].steps[0].sql.contains("select c from t where true"));
    }
}
