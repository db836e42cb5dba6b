//! Service Bus over REST: publishing, scheduling, and receiving dead letters.
//!
//! The crate `azure_messaging_servicebus` 0.21 builds and signs the requests. It knows only the public cloud and only
//! keys. So our `Transport` sends the requests to the configured address, and with an Entra token if there is no key.
//! Pages: "Send Message Batch" and "Peek-Lock Message" of the Service Bus REST API reference.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core_bus::auth::Secret;
use azure_core_bus::error::{Error, ErrorKind};
use azure_core_bus::headers::{HeaderName, Headers};
use azure_core_bus::{HttpClient, Request};
use azure_messaging_servicebus::service_bus::{PeekLockResponse, SendMessageOptions, TopicClient};
use chrono::{DateTime, Utc};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Serialize;

use super::http::{CallError, Reply};
use super::identity::Tokens;
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::settings::{BusCredential, BusSettings};

/// A client of one topic and its subscription.
#[derive(Debug)]
pub struct Bus {
    topic: TopicClient,
    topic_name: String,
    transport: Arc<Transport>,
    subscription: String,
}

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

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// `MessageId`, which duplicate detection uses.
    pub id: &'a str,
    /// The body.
    pub body: &'a str,
    /// Application properties.
    pub properties: &'a [(&'static str, String)],
    /// When it becomes visible. Absent: immediately.
    pub scheduled: Option<DateTime<Utc>>,
}

impl Outgoing<'_> {
    /// The size that counts toward the limit: the body as escaped in the batch, and the properties. It is never less than
    /// what the broker counts.
    pub fn size(&self) -> usize {
        let escapes = self.body.bytes().filter(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).count();
        let properties: usize = self.properties.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        self.body.len() + escapes + properties + self.id.len() + 128
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    body: &'a str,
    broker_properties: BrokerProperties<'a>,
    user_properties: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BrokerProperties<'a> {
    message_id: &'a str,
    content_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_enqueue_time_utc: Option<String>,
}

impl Bus {
    /// A client with these settings. `tokens` replace the signature if the connection has no key.
    pub fn new(
        settings: &BusSettings,
        tokens: Option<Tokens>,
        http: &Client,
        clock: &SharedClock,
    ) -> Result<Self, BusError> {
        let endpoint = settings.credential.endpoint().clone();
        let credential = match (&settings.credential, tokens) {
            (BusCredential::Identity { .. }, Some(tokens)) => Credential::Token(Box::new(tokens)),
            (BusCredential::Identity { .. }, None) => {
                return Err(BusError::Denied("no identity is configured".to_owned()));
            }
            (BusCredential::SharedKey { key_name, key, .. }, _) => {
                // `hmac_sha256` expects base64, and the bytes of a shared access key are its text.
                let key = Secret::new(azure_core_bus::base64::encode(key.secret()));
                Credential::Signature { key_name: key_name.clone(), key }
            }
        };
        let transport = Arc::new(Transport { http: http.clone(), endpoint, credential, clock: clock.clone() });
        // Namespace, policy and key are placeholders. The transport sets address and authorization.
        let topic = TopicClient::new(transport.clone(), "namespace", settings.topic.clone(), "policy", "key")?;
        let (topic_name, subscription) = (settings.topic.clone(), settings.subscription.clone());
        Ok(Self { topic, topic_name, transport, subscription })
    }

    /// Posts an invalid batch to the topic. The error shows whether a message could be sent.
    pub(crate) async fn probe_send(&self) -> Result<Reply, CallError> {
        let address = self.transport.address_with(&[&self.topic_name, "messages"]);
        self.transport.send(address, |http, address| http.post(address).header(CONTENT_TYPE, BATCH).body("{}")).await
    }

    /// Unlocks a message that does not exist. The error shows whether messages could be received.
    ///
    /// "Unlock Message" of the REST API: 404 for a lock that is not there, 410 for a missing subscription.
    pub(crate) async fn probe_receive(&self) -> Result<Reply, CallError> {
        let lock = uuid::Uuid::new_v4().to_string();
        let path = [&self.topic_name, "subscriptions", &self.subscription, "messages", "0", lock.as_str()];
        self.transport.send(self.transport.address_with(&path), |http, address| http.put(address).body("")).await
    }

    /// Sends all messages in one request. Either all are sent or none.
    pub async fn send(&self, messages: &[Outgoing<'_>]) -> Result<(), BusError> {
        let entries: Vec<Entry<'_>> = messages.iter().map(entry).collect();
        let body = serde_json::to_string(&entries).map_err(|error| BusError::Refused(error.to_string()))?;
        let options = SendMessageOptions { content_type: Some(BATCH.to_owned()), ..SendMessageOptions::default() };
        self.topic.topic_sender().send_message(&body, Some(options)).await.map_err(BusError::from)
    }

    /// Locks the next message of the dead-letter queue. `None` if it is empty.
    pub async fn next_dead_letter(&self) -> Result<Option<DeadLetter>, BusError> {
        let queue = format!("{}/$DeadLetterQueue", self.subscription);
        let locked = self.topic.subscription_receiver(&queue).peek_lock_message2(Some(Duration::from_secs(1))).await?;
        let status = u16::from(*locked.status());
        match status {
            204 => Ok(None),
            200 | 201 => Ok(Some(DeadLetter(locked))),
            _ => Err(BusError::from_status(StatusCode::from_u16(status).unwrap_or_default(), None)),
        }
    }
}

/// "Message batch" of the REST API.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";

fn entry<'a>(message: &Outgoing<'a>) -> Entry<'a> {
    let properties = message.properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into()));
    Entry {
        body: message.body,
        broker_properties: BrokerProperties {
            message_id: message.id,
            content_type: "application/json",
            scheduled_enqueue_time_utc: message
                .scheduled
                .map(|time| time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
        },
        user_properties: properties.collect(),
    }
}

/// A locked message of the dead-letter queue.
pub struct DeadLetter(PeekLockResponse);

impl DeadLetter {
    /// The body.
    pub fn body(&self) -> String {
        self.0.body()
    }

    /// Removes it from the queue.
    pub async fn complete(&self) -> Result<(), BusError> {
        Ok(self.0.delete_message().await.map(drop)?)
    }

    /// Unlocks it, so that it stays on the queue.
    pub async fn release(&self) -> Result<(), BusError> {
        Ok(self.0.unlock_message().await?)
    }
}

/// Sends the requests that the crate builds to the configured address, with the configured credential.
struct Transport {
    http: Client,
    endpoint: Url,
    credential: Credential,
    clock: SharedClock,
}

enum Credential {
    Token(Box<Tokens>),
    Signature { key_name: String, key: Secret },
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Transport {
    async fn exchange(&self, request: &Request) -> Result<Reply, BusError> {
        let outgoing = |http: &Client, address: Url| {
            let mut outgoing = http.request(method(request), address);
            for (name, value) in request.headers().iter().filter(|(name, _)| name.as_str() != AUTHORIZATION.as_str()) {
                outgoing = outgoing.header(name.as_str(), value.as_str());
            }
            match request.body() {
                azure_core_bus::Body::Bytes(body) => outgoing.body(body.clone()),
                _ => outgoing,
            }
        };
        let reply = self.send(self.address_of(request.url()), outgoing).await;
        reply.map_err(|error| BusError::Unavailable { cause: error.to_string(), retry_after: None })
    }

    async fn send(&self, address: Url, build: impl Fn(&Client, Url) -> RequestBuilder) -> Result<Reply, CallError> {
        let authorization = self.authorize(&address).await?;
        let outgoing = build(&self.http, address).header(AUTHORIZATION, authorization);
        let reply = Reply::send(Dependency::ServiceBus, outgoing, 0, self.clock.now()).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Credential::Token(tokens) = &self.credential
        {
            // The next attempt requests a new token.
            tokens.clear().await;
        }
        Ok(reply)
    }

    fn address_of(&self, built: &Url) -> Url {
        let mut address = self.endpoint.clone();
        address.set_path(built.path());
        address.set_query(built.query());
        address
    }

    /// The address with these path segments.
    fn address_with(&self, segments: &[&str]) -> Url {
        let mut address = self.endpoint.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        address
    }

    async fn authorize(&self, address: &Url) -> Result<String, CallError> {
        match &self.credential {
            Credential::Token(tokens) => Ok(format!("Bearer {}", tokens.bearer().await?)),
            Credential::Signature { key_name, key } => {
                let expires = self.clock.now().timestamp() + SIGNATURE_SECONDS;
                signature(address, key_name, key, expires).map_err(|error| CallError::NotSent(error.to_string()))
            }
        }
    }
}

/// How long a signature is valid.
const SIGNATURE_SECONDS: i64 = 3600;

/// "Service Bus access control with Shared Access Signatures": HMAC-SHA256 of the encoded address and the expiry.
fn signature(address: &Url, key_name: &str, key: &Secret, expires: i64) -> azure_core_bus::Result<String> {
    let resource = encoded(address.as_str());
    let signed = azure_core_bus::hmac::hmac_sha256(&format!("{resource}\n{expires}"), key)?;
    Ok(format!("SharedAccessSignature sr={resource}&sig={}&se={expires}&skn={key_name}", encoded(&signed)))
}

fn encoded(text: &str) -> String {
    reqwest::Url::parse_with_params("form:", [("", text)])
        .ok()
        .and_then(|form| Some(form.query()?.strip_prefix('=')?.to_owned()))
        .unwrap_or_default()
}

fn method(request: &Request) -> reqwest::Method {
    reqwest::Method::from_bytes(request.method().as_ref().as_bytes()).unwrap_or_default()
}

#[async_trait::async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core_bus::Result<azure_core_bus::Response> {
        let reply = self.exchange(request).await.map_err(|error| Error::new(ErrorKind::Io, error))?;
        if !reply.status.is_success() {
            return Err(Error::new(ErrorKind::Other, BusError::from_status(reply.status, reply.retry_after)));
        }
        let mut headers = Headers::new();
        for (name, value) in &reply.headers {
            headers.insert(HeaderName::from(name.as_str().to_owned()), value.to_str().unwrap_or_default().to_owned());
        }
        let status =
            azure_core_bus::StatusCode::try_from(reply.status.as_u16()).unwrap_or(azure_core_bus::StatusCode::Ok);
        let body = futures::stream::once(std::future::ready(Ok(reply.body)));
        Ok(azure_core_bus::Response::new(status, headers, Box::pin(body)))
    }
}

impl BusError {
    /// The error for a status of the REST API.
    fn from_status(status: StatusCode, retry_after: Option<Duration>) -> Self {
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
            Ok(Ok(ours)) => *ours,
            Ok(Err(other)) => Self::Unavailable { cause: other.to_string(), retry_after: None },
            Err(whole) => Self::Unavailable { cause: whole.to_string(), retry_after: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_the_called_address() {
        let address = Url::parse("https://contoso.servicebus.chinacloudapi.cn/order-events/messages").unwrap();
        let key = Secret::new(azure_core_bus::base64::encode("key"));
        let signature = signature(&address, "policy", &key, 1_700_000_000).unwrap();
        assert_eq!(
            signature,
            "SharedAccessSignature sr=https%3A%2F%2Fcontoso.servicebus.chinacloudapi.cn%2Forder-events%2Fmessages\
             &sig=bbRyw%2F8nabID1hBYrPNv3KAWNX2WeIJnYKq8TwwqFT0%3D&se=1700000000&skn=policy"
        );
    }

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
