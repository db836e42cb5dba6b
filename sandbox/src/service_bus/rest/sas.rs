//! Shared access signatures.
//!
//! <https://learn.microsoft.com/azure/service-bus-messaging/service-bus-sas>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use crate::auth::TokenError;

/// The scheme of the `Authorization` header.
pub(in crate::service_bus) const SCHEME: &str = "SharedAccessSignature ";

/// A shared access policy of the namespace. It allows sending and listening.
#[derive(Clone, Debug)]
pub struct SasKey {
    /// The policy's name.
    pub name: String,
    /// The key as in a connection string. The characters themselves are the secret, not their base64-decoded form.
    pub key: String,
}

/// The parts of one token, not decoded.
struct Token<'a> {
    /// The resource, still percent-encoded, because it was signed in this form.
    resource: &'a str,
    signature: Vec<u8>,
    expiry: &'a str,
    policy: String,
}

/// The request that a token must authorize.
pub(in crate::service_bus) struct SasRequest<'a> {
    /// The valid host names of this namespace.
    pub(in crate::service_bus) hosts: &'a [&'a str],
    /// The request's path.
    pub(in crate::service_bus) path: &'a str,
    pub(in crate::service_bus) now: DateTime<Utc>,
}

/// Validates the parameters of a token (what follows the scheme).
pub(in crate::service_bus) fn check(
    parameters: &str,
    keys: &[SasKey],
    request: &SasRequest<'_>,
) -> Result<(), TokenError> {
    let token = read(parameters).ok_or(TokenError::Malformed)?;
    let expiry: i64 = token.expiry.parse().map_err(|_| TokenError::Malformed)?;
    let key = keys.iter().find(|key| key.name == token.policy).ok_or(TokenError::Forged)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.key.as_bytes()).map_err(|_| TokenError::Forged)?;
    mac.update(format!("{}\n{}", token.resource, token.expiry).as_bytes());
    mac.verify_slice(&token.signature).map_err(|_| TokenError::Forged)?;
    if expiry <= request.now.timestamp() {
        return Err(TokenError::Expired);
    }
    let resource = decode(token.resource).ok_or(TokenError::Malformed)?;
    if covers(&resource, request) { Ok(()) } else { Err(TokenError::WrongAudience) }
}

fn read(parameters: &str) -> Option<Token<'_>> {
    let find = |name| parameters.split('&').filter_map(|pair| pair.split_once('=')).find(|(n, _)| *n == name);
    Some(Token {
        resource: find("sr")?.1,
        signature: STANDARD.decode(decode(find("sig")?.1)?).ok()?,
        expiry: find("se")?.1,
        policy: decode(find("skn")?.1)?,
    })
}

fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

/// Whether the resource is the request's address or a parent of it.
pub(in crate::service_bus) fn covers(resource: &str, request: &SasRequest<'_>) -> bool {
    let resource = resource.split_once("://").map_or(resource, |(_, rest)| rest);
    let resource = resource.split('?').next().unwrap_or_default();
    let (authority, path) = resource.split_once('/').unwrap_or((resource, ""));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    request.hosts.iter().any(|known| known.eq_ignore_ascii_case(host)) && is_above(path, request.path)
}

fn is_above(resource: &str, path: &str) -> bool {
    let mut request = path.trim_matches('/').split('/');
    let mut given = resource.trim_matches('/').split('/').filter(|segment| !segment.is_empty());
    given.all(|segment| request.next().is_some_and(|request| same(segment, request)))
}

fn same(left: &str, right: &str) -> bool {
    let plain = |text: &str| decode(text).unwrap_or_default();
    plain(left).eq_ignore_ascii_case(&plain(right))
}

/// A token, as a client creates it.
#[cfg(test)]
pub(super) fn sign(resource: &str, key: &SasKey, expiry: i64) -> String {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let resource = encode(resource);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.key.as_bytes()).unwrap();
    mac.update(format!("{resource}\n{expiry}").as_bytes());
    let signature = encode(&STANDARD.encode(mac.finalize().into_bytes()));
    format!("{SCHEME}sr={resource}&sig={signature}&se={expiry}&skn={}", key.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SasKey {
        SasKey { name: "RootManageSharedAccessKey".to_owned(), key: "c2VjcmV0".to_owned() }
    }

    fn check_token(token: &str, path: &str) -> Result<(), TokenError> {
        let now = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let hosts = ["shop.servicebus.windows.net", "127.0.0.1"];
        check(token.strip_prefix(SCHEME).unwrap(), &[key()], &SasRequest { hosts: &hosts, path, now })
    }

    #[test]
    fn a_token_is_valid_for_its_resource_and_everything_below() {
        for resource in [
            "https://shop.servicebus.windows.net/orders/messages?timeout=5",
            "sb://shop.servicebus.windows.net/",
            "http://127.0.0.1:5300/Orders",
            "shop.servicebus.windows.net",
        ] {
            assert_eq!(check_token(&sign(resource, &key(), 1_760_000_001), "/orders/messages"), Ok(()), "{resource}");
        }
        for resource in ["https://other.servicebus.windows.net/", "http://127.0.0.1/order", "http://127.0.0.1/b"] {
            let result = check_token(&sign(resource, &key(), 1_760_000_001), "/orders/messages");
            assert_eq!(result, Err(TokenError::WrongAudience), "{resource}");
        }
    }

    #[test]
    fn expired_forged_and_malformed_tokens_are_rejected() {
        let resource = "https://shop.servicebus.windows.net/";
        assert_eq!(check_token(&sign(resource, &key(), 1_760_000_000), "/orders"), Err(TokenError::Expired));
        let other = SasKey { key: "b3RoZXI=".to_owned(), ..key() };
        assert_eq!(check_token(&sign(resource, &other, 1_760_000_001), "/orders"), Err(TokenError::Forged));
        let unknown = SasKey { name: "nobody".to_owned(), ..key() };
        assert_eq!(check_token(&sign(resource, &unknown, 1_760_000_001), "/orders"), Err(TokenError::Forged));
        assert_eq!(check_token("SharedAccessSignature sr=x&se=1", "/orders"), Err(TokenError::Malformed));
    }
}
