//! Who may come in: <https://learn.microsoft.com/rest/api/cosmos-db/access-control-on-cosmosdb-resources>.

use std::io;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use percent_encoding::percent_decode_str;
use sha2::Sha256;

use super::headers::text;
use crate::auth::TokenCheck;

/// The account's keys and its trust in Entra.
pub(super) struct Keys {
    key: Vec<u8>,
    tokens: Arc<dyn TokenCheck>,
}

/// How a caller proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    Key,
    Entra,
}

/// Why a caller is turned away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Unauthorized(String),
    Forbidden(String),
}

impl Keys {
    pub(super) fn new(key: &str, tokens: Arc<dyn TokenCheck>) -> io::Result<Self> {
        let key = STANDARD.decode(key).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        Ok(Self { key, tokens })
    }

    /// Checks one request by its `Authorization` header, `type={master|aad}&ver=1.0&sig=...`, percent-encoded.
    /// `is_by_id` says whether the path addresses its resource by resource ids.
    pub(super) fn admit(
        &self,
        method: &Method,
        path: &str,
        is_by_id: bool,
        headers: &HeaderMap,
    ) -> Result<Caller, Refused> {
        let header = text(headers, "authorization")
            .ok_or_else(|| Refused::Unauthorized("Required Header authorization is missing.".to_owned()))?;
        let header = percent_decode_str(header).decode_utf8().map_err(|_| malformed())?;
        match parts(&header).ok_or_else(malformed)? {
            ("master", signature) => self.admit_key((method, path, is_by_id), headers, signature),
            ("aad", token) => self.admit_token(method, path, token),
            _ => Err(malformed()),
        }
    }

    fn admit_key(
        &self,
        (method, path, is_by_id): (&Method, &str, bool),
        headers: &HeaderMap,
        sent: &str,
    ) -> Result<Caller, Refused> {
        let date = text(headers, "x-ms-date").or_else(|| text(headers, "date")).unwrap_or_default();
        let payload = string_to_sign(method, path, is_by_id, date);
        // HMAC takes keys of any length; the error is of the trait only.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(|_| malformed())?;
        mac.update(payload.as_bytes());
        let sent = STANDARD.decode(sent).map_err(|_| malformed())?;
        if date.is_empty() || mac.verify_slice(&sent).is_err() {
            let payload = payload.replace('\n', "\\n");
            return Err(Refused::Unauthorized(format!(
                "The input authorization token can't serve the request. The wrong key is being used or the expected \
                 payload is not built as per the protocol. Server used the following payload to sign: '{payload}'"
            )));
        }
        Ok(Caller::Key)
    }

    fn admit_token(&self, method: &Method, path: &str, token: &str) -> Result<Caller, Refused> {
        self.tokens
            .check(Some(&format!("Bearer {token}")))
            .map_err(|problem| Refused::Unauthorized(format!("The token is refused: {problem}.")))?;
        // Entra roles of the data plane reach items and read metadata; databases and containers are not made by them.
        let items = path.contains("/docs");
        if items || method == Method::GET {
            Ok(Caller::Entra)
        } else {
            Err(Refused::Forbidden("The operation cannot be authorized by AAD token in data plane.".to_owned()))
        }
    }
}

fn malformed() -> Refused {
    Refused::Unauthorized("The authorization header is not of the form type={}&ver={}&sig={}.".to_owned())
}

fn parts(header: &str) -> Option<(&str, &str)> {
    let (kind, rest) = header.strip_prefix("type=")?.split_once("&ver=1.0&sig=")?;
    (!rest.is_empty()).then_some((kind, rest))
}

/// `verb \n resource type \n resource link \n date \n \n`, where a feed is signed by its parent's link. What is
/// addressed by resource ids is signed by its own in lower case.
fn string_to_sign(method: &Method, path: &str, is_by_id: bool, date: &str) -> String {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (kind, link) = match segments.as_slice() {
        [] => ("", String::new()),
        // An offer is signed by its resource id alone.
        ["offers", id] => ("offers", id.to_lowercase()),
        [parent @ .., "operations", "partitionkeydelete"] => ("partitionkey", parent.join("/")),
        // `/dbs/a/colls` is a feed: the last segment is a type, and the parent is signed.
        [parent @ .., kind] if segments.len() % 2 == 1 => (*kind, parent.join("/")),
        [.., kind, _] => (*kind, segments.join("/")),
        [kind] => (*kind, String::new()),
    };
    let link = percent_decode_str(&link).decode_utf8_lossy();
    let own = |link: &str| link.rsplit('/').next().unwrap_or_default().to_lowercase();
    let link = if is_by_id { own(&link).into() } else { link };
    format!("{}\n{kind}\n{link}\n{}\n\n", method.as_str().to_lowercase(), date.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_feeds_are_signed_as_documented() {
        let date = "Thu, 27 Apr 2017 00:51:12 GMT";
        assert_eq!(
            string_to_sign(&Method::GET, "/dbs/ToDoList", false, date),
            "get\ndbs\ndbs/ToDoList\nthu, 27 apr 2017 00:51:12 gmt\n\n"
        );
        assert_eq!(
            string_to_sign(&Method::POST, "/dbs/a/colls/b/docs", false, date),
            "post\ndocs\ndbs/a/colls/b\nthu, 27 apr 2017 00:51:12 gmt\n\n"
        );
        assert_eq!(
            string_to_sign(&Method::GET, "/dbs/a/colls/b/docs/x%20y", false, date),
            "get\ndocs\ndbs/a/colls/b/docs/x y\nthu, 27 apr 2017 00:51:12 gmt\n\n"
        );
        assert_eq!(string_to_sign(&Method::GET, "/", false, date), "get\n\n\nthu, 27 apr 2017 00:51:12 gmt\n\n");
    }

    #[test]
    fn resource_ids_are_signed_in_lower_case() {
        let path = "/dbs/AAAAAQ==/colls/AAAAAYAAAAE=/pkranges";
        assert_eq!(string_to_sign(&Method::GET, path, true, "d"), "get\npkranges\naaaaayaaaae=\nd\n\n");
    }

    #[test]
    fn a_token_keeps_all_its_signs() {
        assert_eq!(parts("type=master&ver=1.0&sig=ab=="), Some(("master", "ab==")));
        assert_eq!(parts("type=master&ver=1.0&sig="), None);
        assert_eq!(parts("Bearer x"), None);
    }
}
