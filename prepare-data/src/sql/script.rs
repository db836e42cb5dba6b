//! One SQL file: its header, its directives and its steps.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// A parsed file.
#[derive(Clone, Debug)]
pub struct Script {
    /// Name of the file without its extension.
    pub name: String,
    /// The description at the beginning of the file.
    pub about: String,
    /// Its statements, in order; the last is the result.
    pub steps: Vec<Step>,
    /// How many of them, at the beginning, are those of other files (`-- uses:`).
    pub used: usize,
    directives: BTreeMap<String, String>,
    text: String,
    statements: String,
}

/// A statement, and the name under which later statements find its rows.
#[derive(Clone, Debug)]
pub struct Step {
    /// The name, as "affected".
    pub name: String,
    /// The statement.
    pub sql: String,
    /// Whether the rows are not kept in memory, because there may be many (`-- view: yes`).
    pub is_view: bool,
}

impl Step {
    /// The table that later statements find: `narrow X` takes the place of X.
    pub fn table(&self) -> &str {
        self.name.strip_prefix("narrow ").unwrap_or(&self.name)
    }
}

const DIRECTIVES: [&str; 7] = ["category", "key", "time", "driver", "reads", "uses", "view"];

impl Script {
    /// Parses a file.
    ///
    /// # Errors
    /// [`Error::Catalog`] if it contains no statement.
    pub fn parse(name: &str, text: &str) -> Result<Self> {
        let mut about = Vec::new();
        let mut directives = BTreeMap::new();
        for line in text.lines().map_while(|line| line.strip_prefix("--")) {
            match line.trim().split_once(':') {
                Some((word, value)) if DIRECTIVES.contains(&word) => {
                    directives.insert(word.to_owned(), value.trim().to_owned());
                }
                _ => about.push(line.trim()),
            }
        }
        let mut steps = steps(name, text);
        let is_view = directives.contains_key("view");
        steps.iter_mut().for_each(|step| step.is_view = is_view);
        if steps.is_empty() {
            return Err(Error::Catalog(format!("{name}.sql contains no statement")));
        }
        let (text, statements) = (text.to_owned(), text.to_owned());
        Ok(Self { name: name.to_owned(), about: about.join(" "), steps, used: 0, directives, text, statements })
    }

    /// Value of a directive, as `-- key: customer_id`.
    pub fn directive(&self, word: &str) -> Option<&str> {
        self.directives.get(word).map(String::as_str)
    }

    /// Inserts the steps that the file names (`-- uses: posted_receipts`) before its own steps.
    pub(super) fn with_used(mut self, shared: &BTreeMap<String, Self>) -> Result<Self> {
        let Some(names) = self.directive("uses").map(str::to_owned) else { return Ok(self) };
        let mut steps = Vec::new();
        for name in names.split(',').map(str::trim) {
            let used = shared.get(name).ok_or_else(|| {
                Error::Catalog(format!("{}.sql uses sql/steps/{name}.sql, which is missing", self.name))
            })?;
            steps.extend(used.steps.iter().cloned());
            self.statements.push_str(&used.statements);
        }
        self.used = steps.len();
        steps.append(&mut self.steps);
        self.steps = steps;
        Ok(self)
    }

    /// The same with one more statement, which finds the present result under a name.
    pub(super) fn followed_by(mut self, result: &str, statement: &str) -> Self {
        if let Some(last) = self.steps.last_mut() {
            result.clone_into(&mut last.name);
            last.is_view = true;
        }
        self.steps.push(Step { name: self.name.clone(), sql: statement.to_owned(), is_view: false });
        self.statements.push_str(statement);
        self
    }

    /// Adds something that the rows depend on, besides statements.
    pub(super) fn depends_on(&mut self, text: &str) {
        self.statements.push_str(text);
    }

    pub(super) fn required(&self, word: &str) -> Result<&str> {
        self.directive(word).ok_or_else(|| Error::Catalog(format!("{}.sql has no line `-- {word}: ...`", self.name)))
    }

    pub(super) fn list(&self, word: &str) -> Result<Vec<String>> {
        Ok(self.required(word)?.split(',').map(|part| part.trim().to_owned()).collect())
    }

    /// The comment of each column: the last `... as name, -- meaning` or `table.name, -- meaning` of each name.
    pub fn column_comments(&self) -> BTreeMap<String, String> {
        let mut comments = BTreeMap::new();
        for line in self.text.lines() {
            let Some((code, comment)) = line.split_once(" -- ") else { continue };
            let code = code.trim().trim_end_matches(',');
            let name =
                code.rsplit_once(" as ").map_or_else(|| code.rsplit('.').next().unwrap_or(code), |(_, name)| name);
            comments.insert(name.trim().to_owned(), comment.trim().to_owned());
        }
        comments
    }

    /// The text of the file and of the steps that it uses: everything that the rows depend on.
    pub fn statements(&self) -> &str {
        &self.statements
    }
}

/// A file without `-- step:` lines is one step with the file's own name.
fn steps(name: &str, text: &str) -> Vec<Step> {
    let mut steps = vec![Step { name: name.to_owned(), sql: String::new(), is_view: false }];
    for line in text.lines() {
        match line.strip_prefix("-- step:") {
            Some(step) => steps.push(Step { name: step.trim().to_owned(), sql: String::new(), is_view: false }),
            None => {
                if let Some(step) = steps.last_mut() {
                    step.sql.push_str(line);
                    step.sql.push('\n');
                }
            }
        }
    }
    steps.retain(|step| step.sql.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")));
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_a_description_and_directives() {
        let script = Script::parse("t", "-- One row\n-- for each: thing.\n-- key: id\nselect 1 as id -- a\n").unwrap();
        assert_eq!(script.about, "One row for each: thing.");
        assert_eq!(script.directive("key"), Some("id"));
        assert_eq!(script.steps.len(), 1);
        assert_eq!(script.steps[0].name, "t");
    }

    #[test]
    fn steps_have_names_and_a_header_is_not_a_step() {
        let script = Script::parse("t", "-- About.\n\n-- step: a\nselect 1\n-- step: narrow b\nselect 2\n").unwrap();
        let names: Vec<_> = script.steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["a", "narrow b"]);
    }

    #[test]
    fn a_file_of_comments_is_refused() {
        assert!(Script::parse("t", "-- nothing\n").is_err());
    }
}
