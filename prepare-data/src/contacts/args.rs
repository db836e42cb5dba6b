//! The command line of `prepare-data sync-contacts`.

use clap::{Args, value_parser};

/// Options of `sync-contacts`.
///
/// Dataverse and the identity come from the environment variables of the function app: `DataverseUrl`,
/// `DataverseTenantId`, `DataverseClientId`, `DataverseClientSecret` (or the managed identity, `AZURE_CLIENT_ID`), and
/// `CosmosDbEndpoint` if the function app runs in the same environment.
#[derive(Args, Clone, Debug)]
pub struct SyncContactsArgs {
    /// Gold table of customers: a folder or a URL
    #[arg(long, value_name = "LOCATION")]
    pub customers: String,
    /// Table that stores which customer has which contact [default: quality/contacts beside the gold folder]
    #[arg(long, value_name = "LOCATION")]
    pub state: Option<String>,
    /// Read only, and report what a run would do
    #[arg(long)]
    pub dry_run: bool,
    /// Process all customers, not only those that changed
    #[arg(long)]
    pub all: bool,
    /// Process at most this many customers; the next run continues from there
    #[arg(long, value_name = "CUSTOMERS")]
    pub limit: Option<usize>,
    /// Per cent of Dataverse's service protection limits to use; the rest is for others with the same identity
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = value_parser!(u8).range(1..=100))]
    pub share: u8,
    /// Customers between two entries in the state table
    #[arg(long, value_name = "CUSTOMERS", default_value_t = 500, value_parser = value_parser!(u16).range(1..=5000))]
    pub batch: u16,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

impl SyncContactsArgs {
    /// Where the state table is.
    pub(super) fn state_location(&self) -> String {
        self.state.clone().unwrap_or_else(|| {
            let mut folders: Vec<&str> = self.customers.trim_end_matches('/').split('/').collect();
            folders.truncate(folders.len().saturating_sub(2));
            folders.extend(["quality", "contacts"]);
            folders.join("/")
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SyncContactsArgs,
    }

    fn parse(arguments: &[&str]) -> Result<SyncContactsArgs, clap::Error> {
        Command::try_parse_from(["sync-contacts"].iter().chain(arguments)).map(|command| command.args)
    }

    #[test]
    fn the_state_is_beside_the_gold_folder() {
        let state = |customers: &str| parse(&["--customers", customers]).unwrap().state_location();
        assert_eq!(state("/lake/gold/customers"), "/lake/quality/contacts");
        assert_eq!(state("lake/gold/customers/"), "lake/quality/contacts");
        assert_eq!(
            state("abfss://lake@account.dfs.core.windows.net/prepared/gold/customers"),
            "abfss://lake@account.dfs.core.windows.net/prepared/quality/contacts"
        );
        assert_eq!(state("gold/customers"), "quality/contacts");
        assert_eq!(parse(&["--customers", "x", "--state", "y"]).unwrap().state_location(), "y");
    }

    #[test]
    fn a_share_is_a_percentage() {
        for wrong in ["0", "101", "half"] {
            assert!(parse(&["--customers", "x", "--share", wrong]).is_err(), "{wrong}");
        }
    }
}
