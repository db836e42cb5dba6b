//! What a dependency asks about a request's access token, whoever issued it.

/// Decides whether a request's `Authorization` header lets it in.
pub trait TokenCheck: Send + Sync {
    /// Checks the header's whole value, scheme included.
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem>;
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// There is no `Authorization` header.
    #[error("the request carries no access token")]
    Missing,
    /// The header is not a scheme and one token, or the token is not a token.
    #[error("the access token is malformed")]
    Malformed,
    /// The token was good once.
    #[error("the access token has expired")]
    Expired,
    /// The token is meant for somebody else.
    #[error("the access token is meant for another audience")]
    WrongAudience,
    /// The token's issuer or signature is not one that is trusted here.
    #[error("the access token was issued by a party that is not trusted here")]
    Forged,
}

/// Lets every request in that carries any token at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyToken;

impl TokenCheck for AnyToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem> {
        token(authorization).map(|_| ())
    }
}

/// The token of an `Authorization` header, after `Bearer` or after the Retail Server's own `id_token`.
pub fn token(authorization: Option<&str>) -> Result<&str, TokenProblem> {
    let (scheme, token) = authorization.ok_or(TokenProblem::Missing)?.split_once(' ').ok_or(TokenProblem::Malformed)?;
    let known = ["Bearer", "id_token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if known && !token.is_empty() && !token.contains(char::is_whitespace) {
        Ok(token)
    } else {
        Err(TokenProblem::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_schemes_are_read_and_nothing_else() {
        assert_eq!(token(Some("Bearer abc")), Ok("abc"));
        assert_eq!(token(Some("id_token abc")), Ok("abc"));
        assert_eq!(token(None), Err(TokenProblem::Missing));
        for malformed in ["", "abc", "Bearer", "Bearer ", "Bearer a b", "Basic abc"] {
            assert_eq!(token(Some(malformed)), Err(TokenProblem::Malformed), "{malformed:?}");
        }
    }

    #[test]
    fn any_token_is_still_a_token() {
        assert_eq!(AnyToken.check(Some("Bearer whatever")), Ok(()));
        assert_eq!(AnyToken.check(None), Err(TokenProblem::Missing));
    }
}
