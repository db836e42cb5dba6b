//! Entra: the token endpoint for client credentials, and the App Service identity endpoint.
//!
//! Wire formats: "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "How to use managed
//! identities for App Service and Azure Functions" in Microsoft's documentation.

mod client_credentials;
mod identity_endpoint;
mod token;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};

use self::token::{Claims, TokenSigner};
use crate::auth::{TokenCheck, TokenError};
use crate::clock::Clock;

/// The clients of Entra, and the lifetime of their tokens.
#[derive(Clone, Debug)]
pub struct EntraOptions {
    /// The only tenant.
    pub tenant: String,
    /// The lifetime of a token.
    pub token_lifetime: Duration,
    /// App registrations with a secret.
    pub clients: Vec<Client>,
    /// The function app's identity.
    pub managed_identity: ManagedIdentity,
}

impl Default for EntraOptions {
    fn default() -> Self {
        Self {
            tenant: "7f4e1c52-8d3b-4a90-b6ce-25d1f0a9e813".to_owned(),
            token_lifetime: Duration::from_secs(60 * 60),
            clients: Vec::new(),
            managed_identity: ManagedIdentity {
                client_id: "c19a5d3e-60b2-4f7c-9e84-d72b0f6a1395".to_owned(),
                header: "sandbox-identity".to_owned(),
            },
        }
    }
}

/// An app registration.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its application id.
    pub client_id: String,
    /// Its client secret.
    pub secret: String,
}

/// A managed identity, as App Service provides it to the process.
#[derive(Clone, Debug)]
pub struct ManagedIdentity {
    /// The identity's application id.
    pub client_id: String,
    /// The required value of `X-IDENTITY-HEADER` (the app reads it from `IDENTITY_HEADER`).
    pub header: String,
}

/// Entra with one tenant. Clones share it.
#[derive(Clone)]
pub struct Entra {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    tenant: String,
    token_lifetime: Duration,
    managed_identity: ManagedIdentity,
    signer: TokenSigner,
    state: Mutex<State>,
}

struct State {
    clients: Vec<Client>,
    /// The resources of the tenant. Any resource is accepted while none is registered.
    resources: Vec<String>,
    /// The number of issued tokens.
    issued: u64,
    /// Tokens up to this number are revoked.
    revoked: u64,
}

impl Entra {
    /// An Entra that has not issued any token.
    pub fn new(clock: Clock, options: EntraOptions) -> Self {
        let EntraOptions { tenant, token_lifetime, clients, managed_identity } = options;
        let state = Mutex::new(State { clients, resources: Vec::new(), issued: 0, revoked: 0 });
        Self {
            inner: Arc::new(Inner {
                clock,
                tenant,
                token_lifetime,
                managed_identity,
                signer: TokenSigner::new(),
                state,
            }),
        }
    }

    /// `POST /{tenant}/oauth2/v2.0/token` and `GET /msi/token`.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/{tenant}/oauth2/v2.0/token", post(client_credentials::token))
            .route("/msi/token", get(identity_endpoint::token))
            .with_state(self.clone())
    }

    /// A token check for a dependency with these audiences, each with or without a trailing slash.
    pub fn check_for(&self, audiences: &[&str]) -> AudienceCheck {
        AudienceCheck { entra: self.clone(), audiences: audiences.iter().map(|a| bare(a).to_owned()).collect() }
    }

    /// From now on, every token issued so far is rejected as expired.
    pub fn revoke_all(&self) {
        let mut state = self.lock();
        state.revoked = state.issued;
    }

    /// Changes the secret of an app registration, or creates the registration.
    pub fn set_secret(&self, client_id: &str, secret: &str) {
        let mut state = self.lock();
        state.clients.retain(|client| client.client_id != client_id);
        state.clients.push(Client { client_id: client_id.to_owned(), secret: secret.to_owned() });
    }

    /// Registers a resource. From then on unknown resources are rejected.
    pub fn register_resource(&self, audience: &str) {
        self.lock().resources.push(bare(audience).to_owned());
    }

    /// The error for an unknown audience.
    fn unknown_resource(&self, audience: &str) -> Option<String> {
        let state = self.lock();
        let is_known = state.resources.iter().any(|known| known.eq_ignore_ascii_case(bare(audience)));
        let unknown = !state.resources.is_empty() && !is_known;
        unknown.then(|| {
            let tenant = &self.inner.tenant;
            format!("The resource principal named {audience} was not found in the tenant named {tenant}.")
        })
    }

    /// The number of issued tokens.
    pub fn issued(&self) -> u64 {
        self.lock().issued
    }

    /// A new token and its expiry in Unix seconds.
    fn issue(&self, client_id: &str, audience: &str) -> (String, i64) {
        let jti = {
            let mut state = self.lock();
            state.issued += 1;
            state.issued
        };
        let now = self.inner.clock.now().timestamp();
        let exp = now + self.lifetime_seconds();
        let tid = self.inner.tenant.clone();
        let iss = format!("https://sts.windows.net/{tid}/");
        let appid = client_id.to_owned();
        let claims = Claims { aud: audience.to_owned(), iss, iat: now, nbf: now, exp, appid, tid, jti };
        (self.inner.signer.sign(&claims), exp)
    }

    fn lifetime_seconds(&self) -> i64 {
        i64::try_from(self.inner.token_lifetime.as_secs()).unwrap_or(i64::MAX / 2)
    }

    fn secret_of(&self, client_id: &str) -> Option<String> {
        let state = self.lock();
        state.clients.iter().find(|client| client.client_id == client_id).map(|client| client.secret.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts this Entra's tokens for certain audiences, until they expire or are revoked.
pub struct AudienceCheck {
    entra: Entra,
    audiences: Vec<String>,
}

impl TokenCheck for AudienceCheck {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenError> {
        let claims = self.entra.inner.signer.read(credentials(authorization)?)?;
        let revoked = claims.jti <= self.entra.lock().revoked;
        if revoked || self.entra.inner.clock.now().timestamp() >= claims.exp {
            return Err(TokenError::Expired);
        }
        let known = self.audiences.iter().any(|audience| audience.eq_ignore_ascii_case(bare(&claims.aud)));
        if known { Ok(()) } else { Err(TokenError::WrongAudience) }
    }
}

/// The token of a header. Commerce accepts `id_token` beside `Bearer`. A dependency that accepts only one of them
/// checks that first.
fn credentials(authorization: Option<&str>) -> Result<&str, TokenError> {
    let (scheme, token) = authorization.ok_or(TokenError::Missing)?.split_once(' ').ok_or(TokenError::Malformed)?;
    let known = scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("id_token");
    let token = token.trim();
    if known && !token.is_empty() { Ok(token) } else { Err(TokenError::Malformed) }
}

fn bare(audience: &str) -> &str {
    audience.trim_end_matches('/')
}

#[cfg(test)]
mod tests;
