//! Service Bus over REST: publishing, scheduling, and taking dead letters.
//!
//! Through `azure_messaging_servicebus` 0.21, which builds requests and signs them; the HTTP client that it is given
//! here sends them to the configured address, with an Entra token instead of the signature where we have an identity.
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

use super::Dependency;
use super::http::{CallError, Reply};
use super::identity::Tokens;
use crate::clock::SharedClock;
use crate::settings::{BusCredential, BusSettings};

/// A client of one topic and its subscription.
#[derive(Debug)]
pub struct Bus {
    topic: TopicClient,
    topic_name: String,
    wire: Arc<Wire>,
    subscription: String,
}

/// Why Service Bus did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// It does not answer, or is throttling. The message may have arrived all the same; sending it again under the
    /// same `MessageId` is safe.
    #[error("Service Bus is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// It does not know us, or the entity is not there.
    #[error("Service Bus refuses us ({0}); check the topic's name and the right to send")]
    Denied(String),
    /// The message, or the batch, is larger than the topic takes.
    #[error("Service Bus finds the message too large ({0})")]
    TooLarge(String),
    /// It does not take the message as it is.
    #[error("Service Bus refuses the message ({0})")]
    Refused(String),
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// `MessageId`, which duplicate detection goes by.
    pub id: &'a str,
    /// The body.
    pub body: &'a str,
    /// Application properties.
    pub properties: &'a [(&'static str, String)],
    /// When it becomes visible; at once if absent.
    pub scheduled: Option<DateTime<Utc>>,
}

impl Outgoing<'_> {
    /// What the message counts towards the size limit: its body as it is escaped in the batch, and room for
    /// properties. More than the broker counts, never less.
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
    /// A client as configured. `tokens` take the place of the signature where the connection names no key.
    pub fn new(
        settings: &BusSettings,
        tokens: Option<Tokens>,
        http: &Client,
        clock: &SharedClock,
    ) -> Result<Self, BusError> {
        let endpoint = settings.credential.endpoint().clone();
        let proof = match (&settings.credential, tokens) {
            (BusCredential::Identity { .. }, Some(tokens)) => Proof::Token(Box::new(tokens)),
            (BusCredential::Identity { .. }, None) => {
                return Err(BusError::Denied("no identity to call with".to_owned()));
            }
            (BusCredential::SharedKey { key_name, key, .. }, _) => {
                // `hmac_sha256` takes keys in base64, and the key's own bytes are its text.
                let key = Secret::new(azure_core_bus::base64::encode(key.secret()));
                Proof::Signature { key_name: key_name.clone(), key }
            }
        };
        let wire = Arc::new(Wire { http: http.clone(), endpoint, proof, clock: clock.clone() });
        // Namespace, policy and key are placeholders: address and proof are the wire's business.
        let topic = TopicClient::new(wire.clone(), "namespace", settings.topic.clone(), "policy", "key")?;
        let (topic_name, subscription) = (settings.topic.clone(), settings.subscription.clone());
        Ok(Self { topic, topic_name, wire, subscription })
    }

    /// Posts to the topic what cannot become a message (a batch that is no list), to learn from the refusal whether
    /// one could be sent.
    pub(crate) async fn probe_send(&self) -> Result<Reply, CallError> {
        let address = self.wire.below(&[&self.topic_name, "messages"]);
        self.wire.send(address, |http, address| http.post(address).header(CONTENT_TYPE, BATCH).body("{}")).await
    }

    /// Unlocks a message that does not exist, to learn from the refusal whether messages could be received.
    ///
    /// "Unlock Message" of the REST API: 404 for a lock that is not there, 410 for a missing subscription.
    pub(crate) async fn probe_receive(&self) -> Result<Reply, CallError> {
        let lock = uuid::Uuid::new_v4().to_string();
        let path = [&self.topic_name, "subscriptions", &self.subscription, "messages", "0", lock.as_str()];
        self.wire.send(self.wire.below(&path), |http, address| http.put(address).body("")).await
    }

    /// Sends all messages in one request, or none of them.
    pub async fn send(&self, messages: &[Outgoing<'_>]) -> Result<(), BusError> {
        let entries: Vec<Entry<'_>> = messages.iter().map(entry).collect();
        let body = serde_json::to_string(&entries).map_err(|error| BusError::Refused(error.to_string()))?;
        let options = SendMessageOptions { content_type: Some(BATCH.to_owned()), ..SendMessageOptions::default() };
        self.topic.topic_sender().send_message(&body, Some(options)).await.map_err(BusError::from)
    }

    /// Locks the next message of the dead-letter queue; `None` if there is none.
    pub async fn next_dead_letter(&self) -> Result<Option<DeadLetter>, BusError> {
        let queue = format!("{}/$DeadLetterQueue", self.subscription);
        let locked = self.topic.subscription_receiver(&queue).peek_lock_message2(Some(Duration::from_secs(1))).await?;
        let status = u16::from(*locked.status());
        match status {
            204 => Ok(None),
            200 | 201 => Ok(Some(DeadLetter(locked))),
            _ => Err(judge(StatusCode::from_u16(status).unwrap_or_default(), None)),
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

/// A message of the dead-letter queue, locked for us for a while.
pub struct DeadLetter(PeekLockResponse);

impl DeadLetter {
    /// The body.
    pub fn body(&self) -> String {
        self.0.body()
    }

    /// Takes it off the queue for good.
    pub async fn complete(&self) -> Result<(), BusError> {
        Ok(self.0.delete_message().await.map(drop)?)
    }

    /// Leaves it on the queue.
    pub async fn release(&self) -> Result<(), BusError> {
        Ok(self.0.unlock_message().await?)
    }
}

/// Sends what the crate has built to where it belongs, with a proof of who we are that fits that place: the crate
/// knows only the public cloud's addresses and only keys.
struct Wire {
    http: Client,
    endpoint: Url,
    proof: Proof,
    clock: SharedClock,
}

enum Proof {
    Token(Box<Tokens>),
    Signature { key_name: String, key: Secret },
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Wire {
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
        let reply = self.send(self.address(request.url()), outgoing).await;
        reply.map_err(|error| BusError::Unavailable { cause: error.to_string(), retry_after: None })
    }

    async fn send(&self, address: Url, build: impl Fn(&Client, Url) -> RequestBuilder) -> Result<Reply, CallError> {
        let proof = self.prove(&address).await?;
        let outgoing = build(&self.http, address).header(AUTHORIZATION, proof);
        let reply = Reply::to(Dependency::ServiceBus, outgoing, 0, self.clock.now()).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Proof::Token(tokens) = &self.proof
        {
            // The next attempt fetches a new one.
            tokens.forget().await;
        }
        Ok(reply)
    }

    fn address(&self, built: &Url) -> Url {
        let mut address = self.endpoint.clone();
        address.set_path(built.path());
        address.set_query(built.query());
        address
    }

    /// The address of what these segments name.
    fn below(&self, segments: &[&str]) -> Url {
        let mut address = self.endpoint.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        address
    }

    async fn prove(&self, address: &Url) -> Result<String, CallError> {
        match &self.proof {
            Proof::Token(tokens) => Ok(format!("Bearer {}", tokens.bearer().await?)),
            Proof::Signature { key_name, key } => {
                let expires = self.clock.now().timestamp() + SIGNATURE_SECONDS;
                signature(address, key_name, key, expires).map_err(|error| CallError::NotSent(error.to_string()))
            }
        }
    }
}

/// How long a signature is good for.
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
impl HttpClient for Wire {
    async fn execute_request(&self, request: &Request) -> azure_core_bus::Result<azure_core_bus::Response> {
        let reply = self.exchange(request).await.map_err(|error| Error::new(ErrorKind::Io, error))?;
        if !reply.status.is_success() {
            return Err(Error::new(ErrorKind::Other, judge(reply.status, reply.retry_after)));
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

/// What a status of the REST API means for whoever wanted to send.
fn judge(status: StatusCode, retry_after: Option<Duration>) -> BusError {
    let cause = status.as_u16().to_string();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => BusError::Unavailable { cause, retry_after },
        _ if status.is_server_error() => BusError::Unavailable { cause, retry_after },
        StatusCode::PAYLOAD_TOO_LARGE => BusError::TooLarge(cause),
        // 403 says "too large" as well as "over quota" and "no permission"; the caller finds out by sending less.
        StatusCode::FORBIDDEN => BusError::TooLarge(cause),
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND | StatusCode::GONE => BusError::Denied(cause),
        _ => BusError::Refused(cause),
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
    fn signatures_are_made_for_the_address_that_is_called() {
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
    fn every_status_has_its_meaning() {
        let judged = |status: u16| judge(StatusCode::from_u16(status).unwrap(), None);
        for status in [408, 429, 500, 503] {
            assert!(matches!(judged(status), BusError::Unavailable { .. }), "{status}");
        }
        assert!(matches!(judged(401), BusError::Denied(_)));
        assert!(matches!(judged(410), BusError::Denied(_)));
        assert!(matches!(judged(403), BusError::TooLarge(_)));
        assert!(matches!(judged(413), BusError::TooLarge(_)));
        assert!(matches!(judged(400), BusError::Refused(_)));
    }
}
