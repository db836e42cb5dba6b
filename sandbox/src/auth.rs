//! Checks of access tokens, independent of their issuer.

/// Decides whether a request's `Authorization` header is valid.
pub trait TokenCheck: Send + Sync {
    /// Checks the whole value of the header, including the scheme.
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenError>;
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// There is no `Authorization` header.
    #[error("the request carries no access token")]
    Missing,
    /// The header is not a scheme and one token, or the token is malformed.
    #[error("the access token is malformed")]
    Malformed,
    /// The token has expired.
    #[error("the access token has expired")]
    Expired,
    /// The token has another audience.
    #[error("the access token has another audience")]
    WrongAudience,
    /// The token's issuer or signature is not trusted.
    #[error("the issuer of the access token is not trusted")]
    Forged,
}

/// Accepts every request that has any token.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyToken;

impl TokenCheck for AnyToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenError> {
        token(authorization).map(|_| ())
    }
}

/// The token of an `Authorization` header with the scheme `Bearer` or the Retail Server's `id_token`.
pub fn token(authorization: Option<&str>) -> Result<&str, TokenError> {
    let (scheme, token) = authorization.ok_or(TokenError::Missing)?.split_once(' ').ok_or(TokenError::Malformed)?;
    let known = ["Bearer", "id_token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if known && !token.is_empty() && !token.contains(char::is_whitespace) {
        Ok(token)
    } else {
        Err(TokenError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_two_schemes_are_accepted() {
        assert_eq!(token(Some("Bearer abc")), Ok("abc"));
        assert_eq!(token(Some("id_token abc")), Ok("abc"));
        assert_eq!(token(None), Err(TokenError::Missing));
        for malformed in ["", "abc", "Bearer", "Bearer ", "Bearer a b", "Basic abc"] {
            assert_eq!(token(Some(malformed)), Err(TokenError::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn any_token_still_needs_a_token() {
        assert_eq!(AnyToken.check(Some("Bearer whatever")), Ok(()));
        assert_eq!(AnyToken.check(None), Err(TokenError::Missing));
    }
}
