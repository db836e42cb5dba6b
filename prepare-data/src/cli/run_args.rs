//! The options of `run` and `serve`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use crate::error::{Error, Result};
use crate::location::Location;
use crate::settings::{Layers, Settings};

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
    /// Language of product names, as en-us
    #[arg(long, env = "Language")]
    pub language: Option<String>,
    /// Values for the table `parameters`, as category_hierarchy=Web
    #[arg(long = "parameter", env = "Parameters", value_delimiter = ',', value_name = "NAME=VALUE")]
    pub parameters: Vec<String>,
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
    /// [`Error::Settings`] names the wrong option and shows how to write it.
    pub fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::new(Location::parse(&self.lake)?, Location::parse(&self.out)?);
        if !self.table_pattern.is_empty() {
            settings.patterns.clone_from(&self.table_pattern);
        }
        settings.layers = self.layers;
        settings.sql.clone_from(&self.sql);
        settings.as_of = self.as_of;
        settings.parameters = self.parameters()?;
        settings.party_types = self.party_types()?;
        settings.full = self.full;
        settings.reconcile_after = TimeDelta::days(self.reconcile_after_days.into());
        settings.vanishing_share = self.vanishing_share;
        settings.memory = self.memory_mib * 1024 * 1024;
        Ok(settings)
    }

    fn parameters(&self) -> Result<BTreeMap<String, String>> {
        let mut parameters = pairs("parameter", &self.parameters)?;
        if let Some(language) = &self.language {
            parameters.insert("language".to_owned(), language.to_lowercase());
        }
        Ok(parameters)
    }

    fn party_types(&self) -> Result<BTreeMap<i64, String>> {
        let typed = |(number, name): (String, String)| match number.parse() {
            Ok(number) => Ok((number, name)),
            Err(_) => {
                Err(Error::Settings(format!("the party type `{number}` is not a number: write it as 12506=Person")))
            }
        };
        pairs("party-type", &self.party_types)?.into_iter().map(typed).collect()
    }
}

fn pairs(option: &str, values: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), value.trim().to_owned())),
        None => Err(Error::Settings(format!("--{option} `{text}` has no `=`"))),
    };
    values.iter().filter(|text| !text.trim().is_empty()).map(pair).collect()
}
