//! Service Bus over REST: publishing, scheduling, and receiving dead letters.
//!
//! The crate `azure_messaging_servicebus` 0.21 builds and signs the requests. It knows only the public cloud and only
//! keys. So our `Transport` sends the requests to the configured address, and with an Entra token if there is no key.
//! Pages: "Send Message Batch" and "Peek-Lock Message" of the Service Bus REST API reference.

mod error;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use azure_core_bus::auth::Secret;
use azure_core_bus::headers::Headers;
use azure_messaging_servicebus::service_bus::{PeekLockResponse, SendMessageOptions, TopicClient};
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};

use super::http::{CallError, Reply};
use super::identity::Tokens;
use crate::clock::SharedClock;
use crate::json::write_string;
use crate::settings::{BusCredential, BusSettings};
pub use error::BusError;
use transport::{Credential, Transport};

/// A client of one topic and its subscription.
#[derive(Debug)]
pub struct Bus {
    topic: TopicClient,
    topic_name: String,
    transport: Arc<Transport>,
    subscription: String,
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

/// A message in the form in which a batch contains it.
#[derive(Clone, Debug)]
pub struct Entry(String);

impl Entry {
    /// The entry of a message. A body is long and has many quotes, so it is escaped once, and the result is kept.
    pub fn of(message: &Outgoing<'_>) -> Self {
        let mut json = String::with_capacity(message.body.len() * 5 / 4 + 1024);
        json.push_str(r#"{"Body":"#);
        write_string(&mut json, message.body);
        json.push_str(r#","BrokerProperties":{"MessageId":"#);
        write_string(&mut json, message.id);
        json.push_str(r#","ContentType":"application/json""#);
        if let Some(scheduled) = message.scheduled {
            let time = next_second(scheduled).format("%a, %d %b %Y %H:%M:%S GMT");
            json.push_str(&format!(r#","ScheduledEnqueueTimeUtc":"{time}""#));
        }
        json.push_str(r#"},"UserProperties":{"#);
        for (index, (name, value)) in message.properties.iter().enumerate() {
            json.push_str(if index == 0 { "" } else { "," });
            write_string(&mut json, name);
            json.push(':');
            write_string(&mut json, value);
        }
        json.push_str("}}");
        Self(json)
    }

    /// The size that counts toward the limit. It is never less than what the broker counts.
    pub fn size(&self) -> usize {
        self.0.len() + PER_MESSAGE
    }
}

/// What the broker may add to a message.
const PER_MESSAGE: usize = 64;

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
    pub async fn send(&self, messages: &[&Entry]) -> Result<(), BusError> {
        let entries: Vec<&str> = messages.iter().map(|entry| entry.0.as_str()).collect();
        let body = format!("[{}]", entries.join(","));
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
            _ => Err(BusError::from_response(StatusCode::from_u16(status).unwrap_or_default(), b"", None)),
        }
    }
}

/// "Message batch" of the REST API.
const BATCH: &str = "application/vnd.microsoft.servicebus.json";

/// The time in whole seconds, which is all that the header can hold, and never earlier.
fn next_second(time: DateTime<Utc>) -> DateTime<Utc> {
    let whole = time.trunc_subsecs(0);
    if whole < time { whole + TimeDelta::seconds(1) } else { whole }
}

/// A locked message of the dead-letter queue.
pub struct DeadLetter(PeekLockResponse);

impl DeadLetter {
    /// The body.
    pub fn body(&self) -> String {
        self.0.body()
    }

    /// Whether both are the same message, received twice.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let number = |letter: &Self| {
            let Ok(headers) = letter.0.custom_properties::<Headers>();
            transport::sequence_number(&headers)
        };
        number(self).is_some() && number(self) == number(other)
    }

    /// Prolongs its lock.
    pub async fn renew(&self) -> Result<(), BusError> {
        Ok(self.0.renew_message_lock().await?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_never_scheduled_earlier_than_asked() {
        let properties = |milliseconds| {
            let scheduled = DateTime::from_timestamp_millis(milliseconds);
            let Entry(json) = Entry::of(&Outgoing { id: "1", body: "{}", properties: &[], scheduled });
            let entry: serde_json::Value = serde_json::from_str(&json).unwrap();
            entry["BrokerProperties"]["ScheduledEnqueueTimeUtc"].clone()
        };
        let at = |second| format!("Tue, 14 Nov 2023 22:13:{second} GMT");
        assert_eq!(properties(1_700_000_000_000), at(20));
        assert_eq!(properties(1_700_000_000_001), at(21));
        assert_eq!(properties(1_700_000_000_999), at(21));
    }

    #[test]
    fn an_entry_is_what_send_message_batch_documents() {
        let properties = [("EventType", "Check\"out".to_owned()), ("traceparent", "00-1".to_owned())];
        let message = Outgoing { id: "1", body: "{\"a\":\"\\\n\"}", properties: &properties, scheduled: None };
        let Entry(json) = Entry::of(&message);
        let entry: serde_json::Value = serde_json::from_str(&json).unwrap();
        let expected = serde_json::json!({
            "Body": message.body,
            "BrokerProperties": {"MessageId": "1", "ContentType": "application/json"},
            "UserProperties": {"EventType": "Check\"out", "traceparent": "00-1"}});
        assert_eq!(entry, expected);
    }
}
