//! Entra tokens: by client credentials, or by the function app's managed identity.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{Secret, TokenCredential};
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Client;
use serde::Deserialize;

use super::http::{CallError, Reply};
use super::single_flight::{Cached, SingleFlight};
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::json::read_json;
use crate::settings::Identity;
use crate::telemetry::invocation;

/// A token is replaced this long before it expires, so that it does not expire during a request.
const EARLY: TimeDelta = TimeDelta::minutes(5);

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IdentityError {
    /// Entra or the identity endpoint does not respond.
    #[error("no token for {audience}: {cause}")]
    Unavailable {
        /// The audience of the token.
        audience: String,
        /// What happened.
        cause: String,
    },
    /// It rejects the request.
    #[error("no token for {audience}: {cause}; check tenant, application and secret, or the managed identity")]
    Refused {
        /// The audience of the token.
        audience: String,
        /// The error and its codes.
        cause: String,
        /// The number of Entra's error code (`AADSTS<number>`).
        code: Option<u64>,
    },
}

/// The tokens of one identity for one audience. Each is used until shortly before it expires.
pub struct Tokens {
    source: Source,
    audience: String,
    clock: SharedClock,
    /// The longest that a token request may take.
    timeout: Duration,
    current: SingleFlight<Arc<str>, IdentityError>,
}

enum Source {
    Application {
        http: Client,
        identity: Application,
    },
    /// The client id of a user-assigned identity.
    Managed(Option<String>),
}

struct Application {
    token_url: reqwest::Url,
    client_id: String,
    secret: Secret,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("audience", &self.audience).finish_non_exhaustive()
    }
}

/// The variable that chooses the credential, as in the Azure SDKs for other languages. `dev`: the account that is signed in to
/// the Azure CLI or the Azure Developer CLI.
const CREDENTIALS: &str = "AZURE_TOKEN_CREDENTIALS";

/// The credential of the Azure SDK: the managed identity, user-assigned if there is a `client_id`, or the signed-in account.
pub fn azure_credential(client_id: Option<&str>) -> Result<Arc<dyn TokenCredential>, azure_core::Error> {
    if std::env::var(CREDENTIALS).is_ok_and(|chosen| chosen.eq_ignore_ascii_case("dev")) {
        return Ok(DeveloperToolsCredential::new(None)?);
    }
    let user_assigned_id = client_id.map(|id| UserAssignedId::ClientId(id.to_owned()));
    let credential = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id,
        ..Default::default()
    }))?;
    Ok(credential)
}

impl Tokens {
    /// Tokens of `identity` for `audience` (without `/.default`). `managed` is the client id of a user-assigned managed
    /// identity. A request for a token takes no longer than `timeout`.
    pub fn new(
        identity: &Identity,
        audience: &str,
        managed: Option<&str>,
        http: &Client,
        timeout: Duration,
        clock: &SharedClock,
    ) -> Self {
        let source = match identity {
            Identity::Managed => Source::Managed(managed.map(str::to_owned)),
            Identity::Application { token_url, client_id, secret } => {
                let identity =
                    Application { token_url: token_url.clone(), client_id: client_id.clone(), secret: secret.clone() };
                Source::Application { http: http.clone(), identity }
            }
        };
        Self { source, audience: audience.to_owned(), clock: clock.clone(), timeout, current: SingleFlight::default() }
    }

    /// A valid token.
    pub async fn bearer(&self) -> Result<Arc<str>, IdentityError> {
        self.current.get(|| self.clock.now(), async || self.fetch().await).await
    }

    /// Removes `token`, which a dependency has rejected. A newer token is kept.
    pub fn invalidate(&self, token: &str) {
        self.current.forget(|current| current.as_ref() == token);
    }

    /// Removes the current token.
    pub fn clear(&self) {
        self.current.forget(|_| true);
    }

    async fn fetch(&self) -> Result<Cached<Arc<str>>, IdentityError> {
        match &self.source {
            Source::Application { http, identity } => self.fetch_for_application(http, identity).await,
            Source::Managed(client_id) => self.fetch_managed(client_id.as_deref()).await,
        }
    }

    /// The client credentials grant of the Microsoft identity platform, v2.0. Not through `azure_identity`, whose
    /// credential insists on `https` even for loopback.
    async fn fetch_for_application(
        &self,
        http: &Client,
        identity: &Application,
    ) -> Result<Cached<Arc<str>>, IdentityError> {
        let scope = format!("{}/.default", self.audience);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &identity.client_id),
            ("client_secret", identity.secret.secret()),
            ("scope", &scope),
        ];
        let requested_at = self.clock.now();
        let request = http.post(identity.token_url.clone()).form(&form);
        let reply = match Reply::send(Dependency::Entra, request, 0, requested_at).await {
            Ok(reply) => reply,
            Err(CallError::Identity(error)) => return Err(error),
            Err(CallError::NotSent(cause) | CallError::AnswerLost(cause)) => return Err(self.unavailable(cause)),
        };
        if !reply.status.is_success() {
            let transient = reply.is_transient();
            let cause = format!("{} {}", reply.status, entra_code(&reply.body));
            return Err(if transient {
                self.unavailable(cause)
            } else {
                self.rejected(cause, entra_codes(&reply.body).into_iter().next())
            });
        }
        let granted: Granted = read_json(&reply.body)
            .map_err(|_| self.unavailable("the token endpoint's answer cannot be read".to_owned()))?;
        Ok(cached(&granted.access_token, requested_at + Duration::from_secs(granted.expires_in)))
    }

    /// With a credential of its own each time: the SDK's keeps its tokens too, and would hand out a refused one again.
    async fn fetch_managed(&self, client_id: Option<&str>) -> Result<Cached<Arc<str>>, IdentityError> {
        let scope = format!("{}/.default", self.audience);
        let credential = azure_credential(client_id).map_err(|error| self.rejected(error.to_string(), None))?;
        invocation::count_call(Dependency::Entra);
        let granted = tokio::time::timeout(self.timeout, credential.get_token(&[&scope], None))
            .await
            .map_err(|_| self.unavailable("the identity endpoint does not answer in time".to_owned()))?;
        let granted = granted.map_err(|error| match status_of(&error) {
            Some(status) if (400..500).contains(&status) && status != 429 => {
                self.rejected(format!("the identity endpoint returned {status}"), None)
            }
            _ => self.unavailable("the identity endpoint does not respond".to_owned()),
        })?;
        let expires = DateTime::from_timestamp(granted.expires_on.unix_timestamp(), 0).unwrap_or_default();
        Ok(cached(granted.token.secret(), expires))
    }

    fn unavailable(&self, cause: String) -> IdentityError {
        IdentityError::Unavailable { audience: self.audience.clone(), cause }
    }

    fn rejected(&self, cause: String, code: Option<u64>) -> IdentityError {
        IdentityError::Refused { audience: self.audience.clone(), cause, code }
    }
}

fn cached(token: &str, expires_at: DateTime<Utc>) -> Cached<Arc<str>> {
    Cached { value: token.into(), refresh_at: expires_at - EARLY, expires_at }
}

/// The status of the identity endpoint's answer, which the SDK wraps into an error of its own.
fn status_of(error: &azure_core::Error) -> Option<u16> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(status) = error.downcast_ref::<azure_core::Error>().and_then(azure_core::Error::http_status) {
            return Some(status.into());
        }
        cause = error.source();
    }
    None
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: u64,
}

fn entra_codes(body: &[u8]) -> Vec<u64> {
    #[derive(Deserialize)]
    struct Refusal {
        #[serde(default)]
        error_codes: Vec<u64>,
    }
    read_json::<Refusal>(body).map(|refusal| refusal.error_codes).unwrap_or_default()
}

/// Entra's error and its codes without the message, such as `invalid_client AADSTS7000215`.
fn entra_code(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
    }
    let Ok(Refusal { error }) = read_json(body) else { return String::new() };
    let codes: Vec<String> = entra_codes(body).iter().map(|code| format!("AADSTS{code}")).collect();
    format!("{error} {}", codes.join(" ")).trim_end().to_owned()
}
