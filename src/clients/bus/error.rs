//! The errors of Service Bus.

use std::time::Duration;

use azure_core_bus::error::Error;
use reqwest::StatusCode;

/// Why Service Bus did not accept a message.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It does not respond, or it throttles. The message may have arrived. Sending it again with the same `MessageId` is
    /// safe.
    #[error("Service Bus is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It rejects our identity, or the entity does not exist.
    #[error("Service Bus denies access ({0}); check the topic's name and the right to send")]
    Denied(String),
    /// The message, or the batch, is larger than the topic's limit.
    #[error("the message is too large for Service Bus ({0})")]
    TooLarge(String),
    /// It rejects the message.
    #[error("Service Bus rejects the message ({0})")]
    Refused(String),
}

impl BusError {
    /// The error for a status of the REST API.
    pub(super) fn from_status(status: StatusCode, retry_after: Option<Duration>) -> Self {
        let cause = status.as_u16().to_string();
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Self::Unavailable { cause, retry_after },
            _ if status.is_server_error() => Self::Unavailable { cause, retry_after },
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(cause),
            // 403 means "too large", "over quota" or "no permission". A smaller batch shows which.
            StatusCode::FORBIDDEN => Self::TooLarge(cause),
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => Self::Denied(cause),
            _ => Self::Refused(cause),
        }
    }
}

impl From<Error> for BusError {
    fn from(error: Error) -> Self {
        match error.into_inner().map(|inner| inner.downcast::<Self>()) {
            Ok(Ok(error)) => *error,
            Ok(Err(other)) => Self::Unavailable { cause: other.to_string(), retry_after: None },
            Err(whole) => Self::Unavailable { cause: whole.to_string(), retry_after: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_errors() {
        let error = |status: u16| BusError::from_status(StatusCode::from_u16(status).unwrap(), None);
        for status in [408, 429, 500, 503] {
            assert!(matches!(error(status), BusError::Unavailable { .. }), "{status}");
        }
        assert!(matches!(error(401), BusError::Denied(_)));
        assert!(matches!(error(410), BusError::Denied(_)));
        assert!(matches!(error(403), BusError::TooLarge(_)));
        assert!(matches!(error(413), BusError::TooLarge(_)));
        assert!(matches!(error(400), BusError::Refused(_)));
    }
}
