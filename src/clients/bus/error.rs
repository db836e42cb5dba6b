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
    /// The topic or the namespace is full.
    #[error("Service Bus is over its quota ({0}); receive or remove messages, or enlarge the topic")]
    QuotaExceeded(String),
    /// The message, or the batch, is larger than the topic's limit.
    #[error("the message is too large for Service Bus ({0})")]
    TooLarge(String),
    /// It rejects the message.
    #[error("Service Bus rejects the message ({0})")]
    Refused(String),
}

impl BusError {
    /// The error for a response of the REST API.
    pub(super) fn from_response(status: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Self {
        let cause = status.as_u16().to_string();
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Self::Unavailable { cause, retry_after },
            _ if status.is_server_error() || status.is_redirection() => Self::Unavailable { cause, retry_after },
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge(cause),
            StatusCode::FORBIDDEN => Self::from_forbidden(cause, &String::from_utf8_lossy(body).to_lowercase()),
            StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => Self::Denied(cause),
            _ => Self::Refused(cause),
        }
    }

    /// 403 is documented as "quota exceeded or message too large", and also means that a right is missing. Only the text of
    /// the response shows which. In doubt it is a missing right, which counts against no event.
    fn from_forbidden(cause: String, text: &str) -> Self {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        if has(&["quota", "maximum entity size", "size of entity", "entity is full", "namespace is full"]) {
            return Self::QuotaExceeded(cause);
        }
        let is_about_size = has(&["size", "bytes", "large"]) && has(&["message", "batch", "request"]);
        if is_about_size { Self::TooLarge(cause) } else { Self::Denied(cause) }
    }

    /// Whether a later attempt with the same message may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Denied(_) | Self::QuotaExceeded(_) => true,
            Self::TooLarge(_) | Self::Refused(_) => false,
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
        let error = |status: u16| BusError::from_response(StatusCode::from_u16(status).unwrap(), b"", None);
        for status in [302, 408, 429, 500, 503] {
            assert!(matches!(error(status), BusError::Unavailable { .. }), "{status}");
        }
        assert!(matches!(error(401), BusError::Denied(_)));
        assert!(matches!(error(410), BusError::Denied(_)));
        assert!(matches!(error(403), BusError::Denied(_)));
        assert!(matches!(error(413), BusError::TooLarge(_)));
        assert!(matches!(error(400), BusError::Refused(_)));
    }

    #[test]
    fn the_text_of_a_403_distinguishes_size_quota_and_rights() {
        let error = |text: &str| BusError::from_response(StatusCode::FORBIDDEN, text.as_bytes(), None);
        let sizes = [
            "<Detail>The message or batch has 300004 bytes; the limit is 262144.</Detail>",
            "<Detail>The received message (delivery-id:0, size:300000 bytes) exceeds the limit currently allowed.</Detail>",
            "<Detail>The message is too large.</Detail>",
        ];
        for text in sizes {
            assert!(matches!(error(text), BusError::TooLarge(_)), "{text}");
        }
        let quotas = [
            "The maximum entity size has been reached or exceeded for Topic: 'order-events'. Size of entity in bytes:1",
            "The quota of the namespace is exceeded by this message",
        ];
        for text in quotas {
            assert!(matches!(error(text), BusError::QuotaExceeded(_)), "{text}");
        }
        for text in ["", "Unauthorized access. 'Send' claim(s) are required to perform this operation."] {
            assert!(matches!(error(text), BusError::Denied(_)), "{text}");
        }
    }
}
