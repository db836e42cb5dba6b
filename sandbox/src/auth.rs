//! What a neighbour asks of a caller's token.

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// The request carries no `Authorization` header.
    #[error("no token was sent")]
    Missing,
    /// The header is not a scheme followed by a token.
    #[error("the authorization header cannot be read")]
    Malformed,
    /// The token's time is over.
    #[error("the token has expired")]
    Expired,
    /// The token was issued for somebody else's service.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The token bears no signature of this issuer.
    #[error("the token was not issued here")]
    Forged,
}

/// Judges an `Authorization` header.
pub trait TokenCheck: Send + Sync {
    /// Says whether the bearer of this header may come in.
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem>;
}

/// Accepts any bearer token: for tests of something else.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyToken;

impl TokenCheck for AnyToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem> {
        let header = authorization.ok_or(TokenProblem::Missing)?;
        let (scheme, token) = header.split_once(' ').ok_or(TokenProblem::Malformed)?;
        let known = ["bearer", "id_token"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
        if known && !token.trim().is_empty() { Ok(()) } else { Err(TokenProblem::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_token_wants_a_scheme_and_a_token() {
        assert_eq!(AnyToken.check(Some("Bearer x")), Ok(()));
        assert_eq!(AnyToken.check(Some("id_token x")), Ok(()));
        assert_eq!(AnyToken.check(None), Err(TokenProblem::Missing));
        assert_eq!(AnyToken.check(Some("Bearer ")), Err(TokenProblem::Malformed));
        assert_eq!(AnyToken.check(Some("Basic x")), Err(TokenProblem::Malformed));
    }
}
