//! What a connection may do: the tokens that it has put.
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

/// What clients call a shared access signature.
const SIGNATURE: &str = "servicebus.windows.net:sastoken";
/// What clients call an Entra token.
const JWT: &str = "jwt";

/// Who judges tokens.
#[derive(Clone)]
pub(super) struct Access {
    pub(super) namespace: Arc<str>,
    pub(super) keys: Arc<[SasKey]>,
    pub(super) check: Arc<dyn TokenCheck>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// What follows the scheme word of a shared access signature.
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

    /// Takes a token if it is good for its audience now.
    pub(super) fn put(
        &mut self,
        audience: &str,
        kind: &str,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<(), TokenError> {
        // The Python client calls its signatures "jwt", and the service takes them.
        let token = match (token.strip_prefix(sas::SCHEME), kind) {
            (Some(parameters), SIGNATURE | JWT) => Token::Signature(parameters.to_owned()),
            (None, JWT) => Token::Jwt(token.to_owned()),
            _ => return Err(TokenError::Malformed),
        };
        self.judge(audience, &token, &format!("/{}", node::path(audience)), now)?;
        self.tokens.insert(audience.to_owned(), token);
        Ok(())
    }

    /// Whether a resource may be used now: some token covers it and is still good.
    pub(super) fn cover(&self, resource: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        if self.unlimited {
            return Ok(());
        }
        let mut problem = TokenError::Missing;
        for (audience, token) in &self.tokens {
            match self.judge(audience, token, resource, now) {
                Ok(()) => return Ok(()),
                // A token for something else says less than one that is meant for this.
                Err(TokenError::WrongAudience) if problem != TokenError::Missing => {}
                Err(found) => problem = found,
            }
        }
        Err(problem)
    }

    fn judge(&self, audience: &str, token: &Token, resource: &str, now: DateTime<Utc>) -> Result<(), TokenError> {
        let hosts = [&*self.access.namespace, "127.0.0.1", "localhost"];
        let request = SasRequest { hosts: &hosts, path: resource, now };
        match token {
            Token::Signature(parameters) => sas::check(parameters, &self.access.keys, &request),
            Token::Jwt(_) if !sas::covers(audience, &request) => Err(TokenError::WrongAudience),
            Token::Jwt(token) => self.access.check.check(Some(&format!("Bearer {token}"))),
        }
    }
}
