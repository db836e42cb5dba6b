//! Tokens: one for each configured audience.
//!
//! Error codes: "Microsoft Entra authentication and authorization error codes" (AADSTS).

use futures::future::join_all;

use super::{Finding, Problem, Stage};
use crate::clients::identity::{IdentityError, Tokens};
use crate::clients::{SetupError, http_client};
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::settings::{BusCredential, Identity};

/// A token to request, and the settings that it depends on.
struct TokenCheck<'a> {
    what: &'static str,
    identity: &'a Identity,
    audience: &'a str,
    authority: &'static str,
    tenant: &'static str,
    client: &'static str,
    secret: &'static str,
    audience_setting: &'static str,
}

pub(super) async fn check(services: &Services) -> Result<Vec<Finding>, SetupError> {
    let settings = &services.settings;
    let dataverse_audience = settings.dataverse.url.as_str().trim_end_matches('/');
    let mut checks = vec![
        TokenCheck {
            what: "token for the Scale Unit",
            identity: &settings.commerce.identity,
            audience: &settings.commerce.audience,
            authority: "AuthorityD365Commerce",
            tenant: "TenantIdD365Commerce",
            client: "CommerceClientIdD365Commerce",
            secret: "CommerceClientSecretD365Commerce",
            audience_setting: "AudienceD365Commerce (by default CSUEndpoint)",
        },
        TokenCheck {
            what: "token for Dataverse",
            identity: &settings.dataverse.identity,
            audience: dataverse_audience,
            authority: "DataverseAuthority",
            tenant: "DataverseTenantId",
            client: "DataverseClientId",
            secret: "DataverseClientSecret",
            audience_setting: "DataverseUrl",
        },
    ];
    let managed = |what, audience, audience_setting| TokenCheck {
        what,
        identity: &Identity::Managed,
        audience,
        authority: "",
        tenant: "",
        client: "",
        secret: "",
        audience_setting,
    };
    if settings.store.key.is_none() {
        checks.push(managed("token for Cosmos DB", "https://cosmos.azure.com", "CosmosDbEndpoint"));
    }
    if matches!(settings.bus.credential, BusCredential::Identity { .. }) {
        let setting = "ServiceBusConnection__fullyQualifiedNamespace";
        checks.push(managed("token for Service Bus", "https://servicebus.azure.net", setting));
    }
    let http = http_client(settings.request_timeout)?;
    let findings = checks.into_iter().map(|check| {
        let managed = settings.managed_identity.as_deref();
        let tokens =
            Tokens::new(check.identity, check.audience, managed, &http, settings.request_timeout, &services.clock);
        async move {
            match tokio::time::timeout(settings.request_timeout, tokens.bearer()).await {
                Ok(Ok(_)) => Finding::ok(Dependency::Entra, check.what).for_token(),
                Ok(Err(error)) => check.refused(&error),
                Err(_) => check.failed(Stage::Reached, "no response in time".to_owned(), check.unreachable()),
            }
        }
    });
    Ok(join_all(findings).await)
}

impl TokenCheck<'_> {
    fn failed(&self, at: Stage, mistake: String, remedy: String) -> Finding {
        Finding::failed(Dependency::Entra, self.what, at, Problem::new(mistake, remedy)).for_token()
    }

    fn refused(&self, error: &IdentityError) -> Finding {
        match error {
            IdentityError::Unavailable { cause, .. } => self.failed(Stage::Reached, cause.clone(), self.unreachable()),
            IdentityError::Refused { code, cause, .. } => {
                let (mistake, remedy) = match self.identity {
                    Identity::Managed => self.managed_mistake(cause),
                    Identity::Application { .. } => self.mistake(*code, cause),
                };
                self.failed(Stage::Authenticated, mistake, remedy)
            }
        }
    }

    fn unreachable(&self) -> String {
        match self.identity {
            Identity::Managed => {
                "run the check where the managed identity exists: in the function app, or on a machine or \
                container with the same identity; or set a client secret during the check"
                    .to_owned()
            }
            Identity::Application { .. } => {
                format!("check {}, name resolution and outbound network access", self.authority)
            }
        }
    }

    fn managed_mistake(&self, cause: &str) -> (String, String) {
        let mistake = format!("the identity endpoint gives no token for {} ({cause})", self.audience);
        let remedy = format!(
            "AZURE_CLIENT_ID must be the client id of a user-assigned identity that is assigned to this app (no value for \
             the system-assigned identity), and {} must be correct",
            self.audience_setting
        );
        (mistake, remedy)
    }

    /// The error code shows which setting is wrong.
    fn mistake(&self, code: Option<u64>, cause: &str) -> (String, String) {
        let Self { tenant, client, secret, audience_setting, audience, .. } = self;
        let (mistake, remedy) = match code {
            Some(90_002 | 900_021 | 900_023) => (
                "there is no such tenant".to_owned(),
                format!("set {tenant} to the directory (tenant) id, as the Entra admin center shows it"),
            ),
            Some(700_016) => (
                "the tenant has no such application".to_owned(),
                format!("set {client} to the application (client) id, or {tenant} to the tenant that it is in"),
            ),
            Some(7_000_215 | 7_000_216) => (
                "the client secret is wrong".to_owned(),
                format!("set {secret} to the secret's value (not to its id), or make a new one for {client}"),
            ),
            Some(7_000_222) => (
                "the client secret has expired".to_owned(),
                format!("make a new secret for {client} and set {secret} to its value"),
            ),
            Some(500_011 | 500_014 | 70_011 | 1_002_012 | 650_057) => (
                format!("the tenant knows nothing under the audience {audience}"),
                format!("set {audience_setting} to the address under which it is registered in this tenant"),
            ),
            Some(53_003 | 530_035) => (
                "Conditional Access blocks the application".to_owned(),
                "exempt the workload identity from the policy that the sign-in log names".to_owned(),
            ),
            _ => (
                "Entra refuses to give a token".to_owned(),
                format!(
                    "check {tenant}, {client}, {secret} and {audience_setting}; the sign-in log of the tenant has details"
                ),
            ),
        };
        (format!("{mistake} ({cause})"), remedy)
    }
}
