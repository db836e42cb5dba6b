//! Reads the settings and collects all problems.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use azure_core::credentials::Secret;
use reqwest::Url;

use super::values::{is_unresolved_reference, parse_duration, parse_endpoint, parse_schedule};
use super::{
    BusCredential, BusSettings, CommerceSettings, DataverseSettings, Identity, PollSettings, SETTINGS, StoreSettings,
};
use crate::events::RetryPolicy;

/// All missing or invalid settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(pub Vec<String>);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        writeln!(f, "{count} problem{} with the app settings:", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| writeln!(f, "  - {problem}"))
    }
}

impl std::error::Error for SettingsError {}

/// An unresolved reference would otherwise be used as the value, for example sent as a secret.
const UNRESOLVED: &str = "is a Key Vault reference that is not resolved (or one to App Configuration): check that the value \
    exists and that the app's identity may read it (for a secret: role Key Vault Secrets User); outside the function app, \
    set the value itself";

pub(super) struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
    /// Settings whose reference is not resolved. They have no other problem.
    unresolved: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup, problems: Vec::new(), unresolved: BTreeSet::new() }
    }

    pub(super) fn finish<T>(self, settings: Option<T>) -> Result<T, SettingsError> {
        match settings {
            Some(settings) if self.problems.is_empty() => Ok(settings),
            _ => Err(SettingsError(self.problems)),
        }
    }

    pub(super) fn require(&mut self, holds: bool, name: &str, problem: &str) {
        if !holds && !self.unresolved.contains(name) {
            self.problems.push(format!("{name} {problem}"));
        }
    }

    /// The setting or its default. A blank value counts as absent, like an empty app setting in the portal.
    pub(super) fn optional(&mut self, name: &str) -> Option<String> {
        let set = (self.lookup)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        if set.as_deref().is_some_and(is_unresolved_reference) {
            self.require(false, name, UNRESOLVED);
            self.unresolved.insert(name.to_owned());
        }
        let default = || SETTINGS.iter().find(|setting| setting.name == name).and_then(|setting| setting.default);
        set.or_else(|| default().map(str::to_owned))
    }

    fn required(&mut self, name: &str) -> Option<String> {
        let value = self.optional(name);
        self.require(value.is_some(), name, "is missing");
        value
    }

    fn secret(&mut self, name: &str) -> Option<Secret> {
        self.optional(name).map(Secret::new)
    }

    fn check<T>(&mut self, name: &str, result: Result<T, &'static str>) -> Option<T> {
        result.map_err(|problem| self.require(false, name, problem)).ok()
    }

    fn endpoint(&mut self, name: &str) -> Option<Url> {
        let text = self.required(name)?;
        self.check(name, parse_endpoint(&text))
    }

    pub(super) fn duration(&mut self, name: &str) -> Option<Duration> {
        let duration = self.duration_or_none(name)?;
        self.require(!duration.is_zero(), name, "must not be zero");
        Some(duration)
    }

    /// A duration that may be zero.
    fn duration_or_none(&mut self, name: &str) -> Option<Duration> {
        let text = self.required(name)?;
        self.check(name, parse_duration(&text).ok_or("is not a duration of the form [d.]hh:mm:ss"))
    }

    fn number<T: FromStr + PartialOrd>(&mut self, name: &str, least: T, most: T, problem: &'static str) -> Option<T> {
        let text = self.required(name)?;
        let number = text.parse().ok().filter(|number| *number >= least && *number <= most);
        self.check(name, number.ok_or(problem))
    }

    fn identity(&mut self, authority: &str, tenant: &str, client: &str, secret: &str) -> Option<Identity> {
        let Some(secret) = self.secret(secret) else { return Some(Identity::Managed) };
        let authority = self.endpoint(authority);
        let tenant_id = self.required(tenant);
        let client_id = self.required(client);
        let token_url =
            authority?.join(&format!("{}/oauth2/v2.0/token", tenant_id?)).map_err(|_| "cannot be part of a URL");
        Some(Identity::Application { token_url: self.check(tenant, token_url)?, client_id: client_id?, secret })
    }

    pub(super) fn commerce(&mut self) -> Option<CommerceSettings> {
        let endpoint = self.endpoint("CSUEndpoint");
        let operating_unit = self.required("OperatingUnitNumber");
        let audience = self.audience(endpoint.as_ref());
        let identity = self.identity(
            "AuthorityD365Commerce",
            "TenantIdD365Commerce",
            "CommerceClientIdD365Commerce",
            "CommerceClientSecretD365Commerce",
        );
        let concurrency = self.number("CommerceConcurrency", 1, 1000, "must be a number from 1 to 1000");
        let scheme = self.required("AuthSchemeD365Commerce")?;
        self.require(
            ["Bearer", "id_token"].contains(&scheme.as_str()),
            "AuthSchemeD365Commerce",
            "must be id_token or Bearer",
        );
        Some(CommerceSettings {
            endpoint: endpoint?,
            operating_unit: operating_unit?,
            audience: audience?,
            scheme,
            identity: identity?,
            concurrency: concurrency?,
        })
    }

    /// A configured audience is used as it is, because headquarters compares it as text. Only a `/.default` is removed.
    fn audience(&mut self, endpoint: Option<&Url>) -> Option<String> {
        let configured = self.optional("AudienceD365Commerce");
        configured
            .map(|text| text.strip_suffix("/.default").unwrap_or(&text).to_owned())
            .or_else(|| endpoint.map(|url| url.as_str().trim_end_matches('/').to_owned()))
    }

    pub(super) fn store(&mut self) -> Option<StoreSettings> {
        let endpoint = self.endpoint("CosmosDbEndpoint");
        let key = self.secret("CosmosDbKey");
        let database = self.required("CosmosDbDatabaseId");
        let container = self.required("CosmosDbContainerId");
        let region = self.required("CosmosDbRegion");
        Some(StoreSettings { endpoint: endpoint?, key, database: database?, container: container?, region: region? })
    }

    pub(super) fn bus(&mut self) -> Option<BusSettings> {
        let (by_key, by_name) = ("ServiceBusConnection", "ServiceBusConnection__fullyQualifiedNamespace");
        let credential = match (self.optional(by_key), self.optional(by_name)) {
            (Some(connection_string), _) => self.check(by_key, BusCredential::parse(&connection_string)),
            (None, Some(host)) => self.check(by_name, BusCredential::namespace(&host)),
            (None, None) => {
                self.require(false, by_key, &format!("or {by_name} is missing"));
                None
            }
        };
        let topic = self.required("ServiceBusTopicName");
        let subscription = self.required("ServiceBusSubscriptionName");
        let bytes = self.number(
            "ServiceBusMaxMessageBytes",
            16_384,
            104_857_600,
            "must be a number of bytes from 16384 to 104857600",
        );
        Some(BusSettings {
            credential: credential?,
            topic: topic?,
            subscription: subscription?,
            max_message_bytes: bytes?,
        })
    }

    pub(super) fn dataverse(&mut self) -> Option<DataverseSettings> {
        let url = self.endpoint("DataverseUrl");
        let identity =
            self.identity("DataverseAuthority", "DataverseTenantId", "DataverseClientId", "DataverseClientSecret");
        Some(DataverseSettings { url: url?, identity: identity? })
    }

    /// Account numbers that belong to no person.
    pub(super) fn default_customers(&mut self) -> Vec<String> {
        list(&self.optional("DefaultCustomers").unwrap_or_default())
    }

    pub(super) fn poll(&mut self) -> Option<PollSettings> {
        let event_types = self.optional("EventTypes").map(|types| list(&types));
        let is_empty = event_types.as_ref().is_some_and(Vec::is_empty);
        self.require(!is_empty, "EventTypes", "contains no event type");
        let initial_lookback = self.duration("InitialLookback");
        let overlap = self.duration("PollOverlap");
        let clock_allowance = self.duration("PollClockAllowance");
        let page_size = self.number("PollPageSize", 1, 1000, "must be a number from 1 to 1000");
        let time_budget = self.duration("PollTimeBudget");
        let lost_after = self.duration("LostMessageAfter");
        let again_after = self.duration_or_none("PollAgainAfter");
        let schedule = self.required("PollSchedule");
        let schedule = schedule.and_then(|text| self.check("PollSchedule", parse_schedule(&text)));
        Some(PollSettings {
            event_types,
            schedule: schedule?,
            again_after: again_after?,
            initial_lookback: initial_lookback?,
            overlap: overlap?,
            clock_allowance: clock_allowance?,
            page_size: page_size?,
            time_budget: time_budget?,
            lost_after: lost_after?,
        })
    }

    pub(super) fn retry(&mut self) -> Option<RetryPolicy> {
        let first_delay = self.duration("RetryFirstDelay");
        let longest_delay = self.duration("RetryLongestDelay");
        let horizon = self.duration("RetryHorizon");
        let policy = RetryPolicy { first_delay: first_delay?, longest_delay: longest_delay?, horizon: horizon? };
        self.require(
            policy.first_delay <= policy.longest_delay,
            "RetryFirstDelay",
            "must not be longer than RetryLongestDelay",
        );
        Some(policy)
    }
}

/// The parts of a text that are separated by commas. Blank parts are left out.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_audience_is_used_as_it_is() {
        for (configured, expected) in [
            (Some("api://1f/"), "api://1f/"),
            (Some("https://scu.example.com"), "https://scu.example.com"),
            (Some("api://1f/.default"), "api://1f"),
            (None, "https://scu.example.com"),
        ] {
            let lookup = |name: &str| configured.filter(|_| name == "AudienceD365Commerce").map(str::to_owned);
            let endpoint = Url::parse("https://scu.example.com/").unwrap();
            assert_eq!(Reader::new(&lookup).audience(Some(&endpoint)).as_deref(), Some(expected));
        }
    }
}
