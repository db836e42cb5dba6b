//! The command line of `prepare-data sync-contacts`.

use clap::{Args, value_parser};

/// What is to be synchronised with which contacts, and how fast.
///
/// Dataverse and the identity come from the environment variables of the function app: `DataverseUrl`,
/// `DataverseTenantId`, `DataverseClientId`, `DataverseClientSecret` (or the managed identity, `AZURE_CLIENT_ID`), and
/// `CosmosDbEndpoint` where the function app is at work in the same environment.
#[derive(Args, Clone, Debug)]
pub struct SyncContactsArgs {
    /// Gold table of customers: a folder or a URL
    #[arg(long, value_name = "LOCATION")]
    pub customers: String,
    /// Table that remembers which customer has which contact [default: quality/contacts beside the gold folder]
    #[arg(long, value_name = "LOCATION")]
    pub state: Option<String>,
    /// Reads only, and says what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Looks at all customers, not only at those that have changed
    #[arg(long)]
    pub all: bool,
    /// Looks at no more than so many customers; the next run goes on from there
    #[arg(long, value_name = "CUSTOMERS")]
    pub limit: Option<usize>,
    /// Per cent of Dataverse's service protection limits to use; the rest is left to others with the same identity
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = value_parser!(u8).range(1..=100))]
    pub share: u8,
    /// Customers between two entries in the state table
    #[arg(long, value_name = "CUSTOMERS", default_value_t = 500, value_parser = value_parser!(u16).range(1..=5000))]
    pub batch: u16,
    /// Prints the report as JSON
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
    fn the_state_lies_beside_the_gold_folder() {
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
