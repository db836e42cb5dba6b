//! Authorization of a connection: the tokens that it has put.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-amqp-protocol-guide#claims-based-authorization>

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::rest::SasKey;
use super::super::rest::sas::{self, SasRequest};
use super::node;
use super::sasl::Admission;
use crate::auth::{TokenCheck, TokenError};

/// The token type for shared access signatures.
const SIGNATURE: &str = "servicebus.windows.net:sastoken";
/// The token type for Entra tokens.
const JWT: &str = "jwt";

/// Validates tokens.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) namespace: Arc<str>,
    pub(super) keys: Arc<[SasKey]>,
    pub(super) check: Arc<dyn TokenCheck>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// The parameters after the scheme of a shared access signature.
    Signature(String),
    /// An Entra token.
    Jwt(String),
}

/// The tokens of one connection, by audience.
pub(super) struct Claims {
    access: Access,
    unlimited: bool,
    tokens: BTreeMap<String, Token>,
}

impl Claims {
    pub(super) fn new(access: Access, admission: Admission) -> Self {
        Self { access, unlimited: admission == Admission::ByPolicy, tokens: BTreeMap::new() }
    }

    /// Accepts a token if it is currently valid for its audience.
    pub(super) fn put(
        &mut self,
        audience: &str,
        kind: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(), TokenError> {
        // The Python client uses the type "jwt" for its signatures, and the service accepts them.
        let token = match (token.strip_prefix(sas::SCHEME), kind) {
            (Some(parameters), SIGNATURE | JWT) => Token::Signature(parameters.to_owned()),
            (None, JWT) => Token::Jwt(token.to_owned()),
            _ => return Err(TokenError::Malformed),
        };
        self.validate(audience, &token, &format!("/{}", node::path(audience)), now)?;
        self.tokens.insert(audience.to_owned(), token);
        Ok(())
    }

    /// Whether a resource may be used now: a valid token covers it.
    pub(super) fn cover(&self, resource: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        if self.unlimited {
            return Ok(());
        }
        let mut error = TokenError::Missing;
        for (audience, token) in &self.tokens {
            match self.validate(audience, token, resource, now) {
                Ok(()) => return Ok(()),
                // An error of a token for this resource is more helpful than one of a token for another resource.
                Err(TokenError::WrongAudience) if error != TokenError::Missing => {}
                Err(found) => error = found,
            }
        }
        Err(error)
    }

    fn validate(&self, audience: &str, token: &Token, resource: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        let hosts = [&*self.access.namespace, "127.0.0.1", "localhost"];
        let request = SasRequest { hosts: &hosts, path: resource, now };
        match token {
            Token::Signature(parameters) => sas::check(parameters, &self.access.keys, &request),
            Token::Jwt(_) if !sas::covers(audience, &request) => Err(TokenError::WrongAudience),
            Token::Jwt(token) => self.access.check.check(Some(&format!("Bearer {token}"))),
        }
    }
}
