//! Access tokens: JSON Web Tokens (RFC 7519), signed with a key that only this process has.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::auth::TokenError;

/// Signs tokens and verifies its own tokens.
///
/// Entra signs with RS256. Only the sandbox's own dependencies verify these tokens, so a symmetric key is enough.
pub(super) struct TokenSigner {
    key: [u8; 64],
}

/// The claims of a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The resource.
    pub(super) aud: String,
    /// The issuer.
    pub(super) iss: String,
    /// The time of issue, in Unix seconds.
    pub(super) iat: i64,
    /// Not valid before, in Unix seconds.
    pub(super) nbf: i64,
    /// The expiry, in Unix seconds.
    pub(super) exp: i64,
    /// The client id.
    pub(super) appid: String,
    /// The tenant.
    pub(super) tid: String,
    /// A unique number. Revocation uses it.
    pub(super) jti: u64,
}

impl TokenSigner {
    /// A signer with a new key.
    pub(super) fn new() -> Self {
        Self { key: rand::random() }
    }

    /// A token with these claims.
    pub(super) fn sign(&self, claims: &Claims) -> String {
        let header = encode(&serde_json::json!({ "typ": "JWT", "alg": "HS256" }));
        let body = encode(&serde_json::json!(claims));
        let signed = format!("{header}.{body}");
        let signature = URL_SAFE_NO_PAD.encode(self.mac(&signed).finalize().into_bytes());
        format!("{signed}.{signature}")
    }

    /// The claims of a token that was signed with this key.
    pub(super) fn read(&self, token: &str) -> Result<Claims, TokenError> {
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Forged)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Forged)?;
        self.mac(signed).verify_slice(&signature).map_err(|_| TokenError::Forged)?;
        let (_, body) = signed.split_once('.').ok_or(TokenError::Forged)?;
        let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Forged)?;
        serde_json::from_slice(&body).map_err(|_| TokenError::Forged)
    }

    fn mac(&self, signed: &str) -> Hmac<Sha256> {
        // A key of exactly one block needs no length check, so this cannot fail.
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&self.key).into());
        mac.update(signed.as_bytes());
        mac
    }
}

fn encode(part: &serde_json::Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
