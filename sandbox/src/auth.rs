//! What a neighbour asks of a caller's token.

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// There is no `Authorization` header.
    #[error("no token was sent")]
    Missing,
    /// The header has no form that is understood here.
    #[error("the authorization header cannot be read")]
    Malformed,
    /// The token was good once.
    #[error("the token has expired")]
    Expired,
    /// The token opens another door.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The token's signature is not the issuer's.
    #[error("the token was not issued here")]
    Forged,
}

/// Judges an `Authorization` header.
pub trait TokenCheck: Send + Sync {
    /// Accepts the header or says what is wrong with it.
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem>;
}

/// Accepts any bearer token: for tests of something else.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyToken;

impl TokenCheck for AnyToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem> {
        let (scheme, token) = authorization.ok_or(TokenProblem::Missing)?.split_once(' ').unwrap_or_default();
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("id_token");
        if known && !token.trim().is_empty() { Ok(()) } else { Err(TokenProblem::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_token_needs_a_token() {
        assert_eq!(AnyToken.check(Some("Bearer x")), Ok(()));
        assert_eq!(AnyToken.check(Some("id_token x")), Ok(()));
        assert_eq!(AnyToken.check(Some("Bearer ")), Err(TokenProblem::Malformed));
        assert_eq!(AnyToken.check(Some("x")), Err(TokenProblem::Malformed));
        assert_eq!(AnyToken.check(None), Err(TokenProblem::Missing));
    }
}
