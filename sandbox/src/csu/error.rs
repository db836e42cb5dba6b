//! Errors of the Retail Server.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::json;

use crate::auth::TokenError;
use crate::shop::ShopError;

/// Why a request is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ErrorReply {
    NoSuchRoute,
    NotFound,
    CustomerNotFound,
    ApiVersion,
    InvalidChannel,
    Token(TokenError),
    /// The caller's role does not allow this call.
    Forbidden,
    /// The request is not valid; contains the reason.
    Invalid(String),
    MediaType,
    AlreadyCheckedOut,
}

impl ErrorReply {
    pub(super) fn invalid(what: impl ToString) -> Self {
        Self::Invalid(what.to_string())
    }

    /// UNCONFIRMED: the status of each error. The names are members of the runtime's error enumerations.
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchRoute | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::CustomerNotFound
            | Self::ApiVersion
            | Self::InvalidChannel
            | Self::Invalid(_)
            | Self::AlreadyCheckedOut => StatusCode::BAD_REQUEST,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::NoSuchRoute => "Microsoft_Dynamics_Commerce_WrongEndpoint",
            Self::NotFound => "Microsoft_Dynamics_Commerce_Runtime_ObjectNotFound",
            Self::CustomerNotFound => "Microsoft_Dynamics_Commerce_Runtime_CustomerNotFound",
            Self::ApiVersion => "Microsoft_Dynamics_Commerce_Runtime_RetailServerApiVersionNotSupported",
            Self::InvalidChannel => "Microsoft_Dynamics_Commerce_Runtime_InvalidChannel",
            Self::Token(TokenError::WrongAudience) => "Microsoft_Dynamics_Commerce_Runtime_InvalidAudience",
            Self::Token(TokenError::Forged) => "Microsoft_Dynamics_Commerce_Runtime_InvalidIssuer",
            Self::Token(TokenError::Missing | TokenError::Malformed | TokenError::Expired) => {
                "Microsoft_Dynamics_Commerce_Runtime_AuthenticationFailed"
            }
            Self::Forbidden => "Microsoft_Dynamics_Commerce_Runtime_AuthorizationFailed",
            Self::Invalid(_) | Self::MediaType => "Microsoft_Dynamics_Commerce_Runtime_InvalidRequest",
            Self::AlreadyCheckedOut => "Microsoft_Dynamics_Commerce_Runtime_CartAlreadyCheckedOut",
        }
    }

    fn message(&self) -> String {
        match self {
            Self::NoSuchRoute => "There is no operation at this address.".to_owned(),
            Self::NotFound => "The object was not found in this channel.".to_owned(),
            Self::CustomerNotFound => "No customer has this account number.".to_owned(),
            Self::ApiVersion => "The api-version parameter is missing or has an unsupported version.".to_owned(),
            Self::InvalidChannel => "The OUN header is missing or has an unknown operating unit.".to_owned(),
            Self::Token(error) => format!("Authentication failed: {error}."),
            Self::Forbidden => "The caller's role is not allowed to make this call.".to_owned(),
            Self::Invalid(what) => what.clone(),
            Self::MediaType => "The body must be application/json.".to_owned(),
            Self::AlreadyCheckedOut => "The cart is checked out.".to_owned(),
        }
    }

    /// UNCONFIRMED: the structure of the body. This is the one of OData 4.0 (JSON Format, "Error Response").
    pub(super) fn into_response(self) -> Response {
        let body = json!({ "error": { "code": self.name(), "message": self.message() } });
        let mut response = super::json(self.status(), body.to_string());
        if matches!(self, Self::Token(_)) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<TokenError> for ErrorReply {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<ShopError> for ErrorReply {
    fn from(error: ShopError) -> Self {
        match error {
            ShopError::NoSuchCart | ShopError::NoSuchCustomer | ShopError::NoSuchProduct => Self::NotFound,
            ShopError::AlreadyCheckedOut => Self::AlreadyCheckedOut,
            ShopError::NoSuchChannel => Self::InvalidChannel,
            ShopError::CartExists
            | ShopError::CustomerExists
            | ShopError::NoLines
            | ShopError::Quantity
            | ShopError::TooLong { .. }
            | ShopError::BlankKey => Self::invalid(error),
        }
    }
}
