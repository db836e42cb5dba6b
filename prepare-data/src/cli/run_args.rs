//! The options of `run` and `serve`.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use crate::error::{Error, Result};
use crate::location::Location;
use crate::settings::{Layers, Settings};
use crate::sql::Catalog;

/// The options of a run. Most have an environment variable, with which the function app sets them.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// The export: a folder, or abfss://container@account.dfs.core.windows.net/folder
    #[arg(long, env = "LakeLocation")]
    pub lake: String,
    /// Folder for silver, gold and quality
    #[arg(long, env = "PreparedLocation")]
    pub out: String,
    /// Paths of Delta tables in the export, with {table} in the last part; separate several with commas
    #[arg(long, env = "LakeTablePattern", value_delimiter = ',')]
    pub table_pattern: Vec<String>,
    /// Keep silver tables (three), or only views (two)
    #[arg(long, env = "Layers", value_enum, default_value = "three", ignore_case = true)]
    pub layers: Layers,
    /// Folder of SQL files to use instead of the built-in ones
    #[arg(long, env = "SqlFolder")]
    pub sql: Option<PathBuf>,
    /// Folder of own columns and own tables over these files: docs/lake/own-sql.md
    #[arg(long, env = "SqlOverlay", value_name = "FOLDER")]
    pub sql_overlay: Option<OsString>,
    /// Language of product names, as en-us
    #[arg(long, env = "Language")]
    pub language: Option<String>,
    /// Values for the table `parameters`, as category_hierarchy=Web
    #[arg(long = "parameter", env = "Parameters", value_delimiter = ',', value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
    /// Companies to publish, as usmf,demf; without it, all
    #[arg(long, env = "Companies", value_delimiter = ',', value_name = "COMPANY")]
    pub companies: Vec<String>,
    /// Names of party types, needed if sqldictionary is not exported, as 12506=Person
    #[arg(long = "party-type", env = "PartyTypes", value_delimiter = ',', value_name = "NUMBER=NAME")]
    pub party_types: Vec<String>,
    /// Publish the names and addresses valid at this time instead of now
    #[arg(long)]
    pub as_of: Option<DateTime<Utc>>,
    /// Compare all rows, even those that did not change since the last run
    #[arg(long)]
    pub full: bool,
    /// Days between two comparisons of all rows; an export drops deleted rows after 28 days
    #[arg(long, env = "ReconcileAfterDays", default_value_t = 7)]
    pub reconcile_after_days: u16,
    /// Stop if a table would lose more than this share of its rows
    #[arg(long, env = "VanishingShare", default_value_t = 0.2)]
    pub vanishing_share: f64,
    /// Memory for sorting, grouping and joining before they spill to disk, in MiB
    #[arg(long, env = "MemoryMiB", default_value_t = 1200)]
    pub memory_mib: usize,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The settings of the run.
    ///
    /// # Errors
    /// [`Error::Settings`] names all wrong options and shows how to write them.
    pub fn settings(&self) -> Result<Settings> {
        let mut errors = Errors::default();
        let lake = errors.collect(Location::parse(&self.lake));
        let prepared = errors.collect(Location::parse(&self.out));
        let overlay = self.sql_overlay();
        let catalog = errors.collect(Catalog::load_with(self.sql.as_deref(), overlay.as_deref()));
        let parameters = errors.collect(self.parameters(catalog.as_ref()));
        let party_types = errors.collect(self.party_types());
        if lake.as_ref().zip(prepared.as_ref()).is_some_and(|(lake, prepared)| lake.url() == prepared.url()) {
            errors.add("--out is the folder of --lake: the results need a folder of their own".to_owned());
        }
        if !(0.0..=1.0).contains(&self.vanishing_share) {
            errors.add(format!("--vanishing-share {} is not between 0 and 1: a fifth is 0.2", self.vanishing_share));
        }
        if self.memory_mib < LEAST_MEMORY_MIB {
            errors.add(format!("--memory-mib {} is not enough: the least is {LEAST_MEMORY_MIB}", self.memory_mib));
        }
        for pattern in self.table_pattern.iter().filter(|pattern| !is_pattern(pattern)) {
            errors.add(format!("--table-pattern `{pattern}` needs {{table}} in its last part, as my/{{table}}"));
        }
        let (Some(lake), Some(prepared)) = (lake, prepared) else { return Err(errors.into_error()) };
        let mut settings = Settings::new(lake, prepared);
        if !self.table_pattern.is_empty() {
            settings.patterns.clone_from(&self.table_pattern);
        }
        settings.layers = self.layers;
        settings.sql.clone_from(&self.sql);
        settings.sql_overlay = overlay;
        settings.as_of = self.as_of;
        settings.parameters = parameters.unwrap_or_default();
        settings.companies = self.companies();
        settings.party_types = party_types.unwrap_or_default();
        settings.full = self.full;
        settings.reconcile_after = TimeDelta::days(self.reconcile_after_days.into());
        settings.vanishing_share = self.vanishing_share;
        settings.memory = self.memory_mib * 1024 * 1024;
        if errors.0.is_empty() { Ok(settings) } else { Err(errors.into_error()) }
    }

    fn parameters(&self, catalog: Option<&Catalog>) -> Result<BTreeMap<String, String>> {
        let mut parameters = pairs("parameter", &self.parameters)?;
        if let Some(language) = &self.language {
            parameters.insert("language".to_owned(), language.to_lowercase());
        }
        if let Some(catalog) = catalog {
            catalog.sources.check_parameters(&parameters)?;
        }
        Ok(parameters)
    }

    /// An empty setting is no overlay.
    fn sql_overlay(&self) -> Option<PathBuf> {
        self.sql_overlay.as_ref().filter(|folder| !folder.is_empty()).map(PathBuf::from)
    }

    /// The codes in one spelling and order. An empty setting chooses nothing.
    fn companies(&self) -> Vec<String> {
        let codes = self.companies.iter().map(|code| code.trim().to_lowercase()).filter(|code| !code.is_empty());
        codes.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn party_types(&self) -> Result<BTreeMap<i64, String>> {
        let typed = |(number, name): (String, String)| {
            let Ok(number) = number.parse() else {
                return Err(Error::Settings(format!(
                    "the party type `{number}` is not a number: write it as 12506=Person"
                )));
            };
            if !PARTY_TYPES.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
                let known = PARTY_TYPES.join(", ");
                return Err(Error::Settings(format!("`{name}` is no name of a party type: there are {known}")));
            }
            Ok((number, name))
        };
        pairs("party-type", &self.party_types)?.into_iter().map(typed).collect()
    }
}

/// The least memory with which sorts can spill to disk.
const LEAST_MEMORY_MIB: usize = 64;

/// Names of party types: those that people use, and those of the tables.
const PARTY_TYPES: [&str; 10] = [
    "Person",
    "Organization",
    "Team",
    "OperatingUnit",
    "LegalEntity",
    "DirPerson",
    "DirOrganization",
    "OMTeam",
    "OMOperatingUnit",
    "CompanyInfo",
];

/// All that is wrong with the options.
#[derive(Debug, Default)]
struct Errors(Vec<String>);

impl Errors {
    fn add(&mut self, error: String) {
        self.0.push(error);
    }

    fn collect<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error.to_string())).ok()
    }

    fn into_error(self) -> Error {
        Error::Settings(self.0.join("\n"))
    }
}

fn is_pattern(pattern: &str) -> bool {
    pattern.rsplit('/').next().is_some_and(|last| last.contains("{table}"))
}

fn pairs(option: &str, values: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::Settings(format!("--{option} `{text}` has no `=`"))),
    };
    values.iter().filter(|text| !text.trim().is_empty()).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn settings(options: &[&str]) -> Result<Settings> {
        let line = ["run", "--lake", "/tmp/lake", "--out", "/tmp/out"].iter().chain(options);
        Line::try_parse_from(line).unwrap().run.settings()
    }

    #[test]
    fn wrong_options_are_refused_all_at_once() {
        let wrong = ["--vanishing-share", "7", "--party-type", "12506=Perso", "--parameter", "categry=Web"];
        let error = settings(&wrong).unwrap_err().to_string();
        for part in ["--vanishing-share 7", "`Perso`", "`categry`"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(settings(&["--vanishing-share", "nan"]).is_err());
        assert!(settings(&["--vanishing-share=-0.1"]).is_err());
        assert!(settings(&["--vanishing-share", "1", "--party-type", "12506=person"]).is_ok());
    }

    #[test]
    fn companies_are_written_in_any_case_and_an_empty_setting_chooses_none() {
        assert_eq!(settings(&["--companies", "USMF, demf,usmf"]).unwrap().companies, ["demf", "usmf"]);
        assert!(settings(&["--companies", ""]).unwrap().companies.is_empty());
    }

    #[test]
    fn the_results_need_a_folder_of_their_own() {
        let line = ["run", "--lake", "/tmp/lake", "--out", "/tmp/x/../lake/"];
        let error = Line::try_parse_from(line).unwrap().run.settings().unwrap_err().to_string();
        assert!(error.contains("--out"), "{error}");
    }
}
