//! What a neighbour asks of a caller's token.

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// There is no `Authorization` header.
    #[error("no token was sent")]
    Missing,
    /// The header is not a scheme followed by a token.
    #[error("the authorization header cannot be read")]
    Malformed,
    /// The token was good once.
    #[error("the token has expired")]
    Expired,
    /// The token is good elsewhere.
    #[error("the token is for another audience")]
    WrongAudience,
    /// The signature is not the issuer's.
    #[error("the token was not issued here")]
    Forged,
}

/// Judges an `Authorization` header.
pub trait TokenCheck: Send + Sync {
    /// Whether the caller may come in, and if not, why.
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem>;
}

/// Accepts any bearer token: for tests of something else.
pub struct AnyToken;

impl TokenCheck for AnyToken {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenProblem> {
        let (scheme, token) = authorization.ok_or(TokenProblem::Missing)?.split_once(' ').unwrap_or_default();
        match scheme {
            "Bearer" | "id_token" if !token.trim().is_empty() => Ok(()),
            _ => Err(TokenProblem::Malformed),
        }
    }
}
