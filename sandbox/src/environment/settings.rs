//! The app settings with which the function app finds this environment.

use std::collections::BTreeMap;

use super::{COMMERCE_CLIENT, DATAVERSE_CLIENT, Environment, SUBSCRIPTION, TOPIC};
use crate::audit::Journey;
use crate::cosmos::REGION;
use crate::entra::EntraOptions;
use crate::network::Dependency;
use crate::shop::CHANNELS;

impl Environment {
    /// All app settings of the handler and of the Functions host. The handler calls Dataverse with the managed identity,
    /// which it finds through environment variables.
    pub fn settings(&self) -> BTreeMap<String, String> {
        let identity = EntraOptions::default().managed_identity;
        let mut settings = self.common();
        settings.extend(owned([
            ("IDENTITY_ENDPOINT", format!("{}msi/token", self.url(Dependency::Entra))),
            ("IDENTITY_HEADER", identity.header),
            ("AZURE_CLIENT_ID", identity.client_id),
        ]));
        settings
    }

    /// The same settings with a client secret for Dataverse, for a handler that shares its process (and so its environment
    /// variables) with others.
    pub fn settings_with_secrets(&self) -> BTreeMap<String, String> {
        let (client, secret) = DATAVERSE_CLIENT;
        let mut settings = self.common();
        settings.extend(owned([
            ("DataverseAuthority", self.url(Dependency::Entra)),
            ("DataverseTenantId", self.tenant.clone()),
            ("DataverseClientId", client.to_owned()),
            ("DataverseClientSecret", secret.to_owned()),
        ]));
        settings
    }

    fn common(&self) -> BTreeMap<String, String> {
        let (client, secret) = COMMERCE_CLIENT;
        let commerce = self.url(Dependency::Commerce);
        let mut settings: BTreeMap<_, _> = owned([
            ("CSUEndpoint", commerce.clone()),
            // The store in Houston. Any store would do: all stores share one event store.
            ("OperatingUnitNumber", CHANNELS[0].oun.to_owned()),
            ("AuthorityD365Commerce", self.url(Dependency::Entra)),
            ("TenantIdD365Commerce", self.tenant.clone()),
            ("AudienceD365Commerce", commerce.trim_end_matches('/').to_owned()),
            ("CommerceClientIdD365Commerce", client.to_owned()),
            ("CommerceClientSecretD365Commerce", secret.to_owned()),
            ("CosmosDbEndpoint", self.cosmos.url()),
            ("CosmosDbKey", self.cosmos.key().to_owned()),
            ("CosmosDbRegion", REGION.to_owned()),
            ("ServiceBusConnection", self.connection_string.clone()),
            ("ServiceBusTopicName", TOPIC.to_owned()),
            ("ServiceBusSubscriptionName", SUBSCRIPTION.to_owned()),
            ("DataverseUrl", self.url(Dependency::Dataverse)),
            ("PollSchedule", "*/20 * * * * *".to_owned()),
            ("AzureWebJobsStorage", "UseDevelopmentStorage=true".to_owned()),
            ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
        ])
        .collect();
        let trigger = |journey: Journey| (journey.setting().to_owned(), journey.trigger().to_owned());
        settings.extend(Journey::ALL.map(trigger));
        if self.partner_events {
            settings.extend(Journey::WITH_EXAMPLES.map(trigger));
        }
        settings
    }
}

fn owned<const N: usize>(settings: [(&str, String); N]) -> impl Iterator<Item = (String, String)> {
    settings.into_iter().map(|(name, value)| (name.to_owned(), value))
}
