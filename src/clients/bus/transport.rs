//! The HTTP transport for the Service Bus crate.

use std::fmt;

use azure_core_bus::auth::Secret;
use azure_core_bus::error::{Error, ErrorKind};
use azure_core_bus::headers::{HeaderName, Headers};
use azure_core_bus::{HttpClient, Request};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use reqwest::{Client, RequestBuilder, StatusCode, Url};
use serde::Deserialize;

use super::BusError;
use crate::clients::identity::Tokens;
use crate::clients::{CallError, Reply};
use crate::clock::SharedClock;
use crate::dependency::Dependency;

/// Sends the requests that the crate builds to the configured address, with the configured credential.
pub(super) struct Transport {
    pub(super) http: Client,
    pub(super) endpoint: Url,
    pub(super) credential: Credential,
    pub(super) clock: SharedClock,
}

/// The credential for Service Bus.
pub(super) enum Credential {
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

    /// Sends the request that `build` creates, with authorization.
    pub(super) async fn send(
        &self,
        address: Url,
        build: impl Fn(&Client, Url) -> RequestBuilder,
    ) -> Result<Reply, CallError> {
        let authorization = self.authorize(&address).await?;
        let outgoing = build(&self.http, address).header(AUTHORIZATION, authorization);
        let reply = Reply::send(Dependency::ServiceBus, outgoing, 0, self.clock.now()).await?;
        if reply.status == StatusCode::UNAUTHORIZED
            && let Credential::Token(tokens) = &self.credential
        {
            // The next attempt requests a new token.
            tokens.clear();
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
    pub(super) fn address_with(&self, segments: &[&str]) -> Url {
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
            let error = BusError::from_response(reply.status, &reply.body, reply.retry_after);
            return Err(Error::new(ErrorKind::Other, error));
        }
        if is_send(request) && reply.status != StatusCode::CREATED {
            let cause = format!("{} in a response that is not from Service Bus", reply.status.as_u16());
            let error = BusError::Unavailable { cause, retry_after: reply.retry_after };
            return Err(Error::new(ErrorKind::Other, error));
        }
        let headers = received_headers(&reply.headers);
        let status =
            azure_core_bus::StatusCode::try_from(reply.status.as_u16()).unwrap_or(azure_core_bus::StatusCode::Ok);
        let body = futures::stream::once(std::future::ready(Ok(reply.body)));
        Ok(azure_core_bus::Response::new(status, headers, Box::pin(body)))
    }
}

/// The header with the properties of a received message, in lower case as in [`HeaderMap`].
const BROKER_PROPERTIES: &str = "brokerproperties";

/// The name under which the crate gets that header. The crate reads `BrokerProperties` with a number of 32 bits, and would
/// reject messages of partitioned topics, whose numbers have 64.
const RENAMED_PROPERTIES: &str = "received-broker-properties";

/// The headers of a response, for the crate.
fn received_headers(received: &HeaderMap) -> Headers {
    let mut headers = Headers::new();
    for (name, value) in received {
        let name = if name.as_str() == BROKER_PROPERTIES { RENAMED_PROPERTIES } else { name.as_str() };
        headers.insert(HeaderName::from(name.to_owned()), value.to_str().unwrap_or_default().to_owned());
    }
    headers
}

/// The number of a received message, which distinguishes it from all others of its entity.
pub(super) fn sequence_number(headers: &Headers) -> Option<i64> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Received {
        sequence_number: i64,
    }
    let properties = headers.get_optional_string(&HeaderName::from(RENAMED_PROPERTIES))?;
    serde_json::from_str::<Received>(&properties).ok().map(|received| received.sequence_number)
}

/// "Send Message" and "Send Message Batch" are answered with 201. A proxy or a maintenance page may answer 200.
fn is_send(request: &Request) -> bool {
    method(request) == reqwest::Method::POST && request.url().path().ends_with("/messages")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The partition is in the upper 16 bits of both numbers.
    #[test]
    fn a_message_of_a_partitioned_topic_can_be_received() {
        let number = (7_i64 << 48) + 1;
        let properties = format!(r#"{{"EnqueuedSequenceNumber":{number},"SequenceNumber":{number}}}"#);
        let received = [("BrokerProperties", properties.as_str()), ("Location", "https://contoso")];
        let received = received.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers = received_headers(&received.into_iter().collect());
        assert_eq!(sequence_number(&headers), Some(number));
        let crate_reads = HeaderName::from("brokerproperties");
        assert_eq!(headers.get_optional_string(&crate_reads), None);
        assert_eq!(headers.get_optional_string(&HeaderName::from("location")), Some("https://contoso".to_owned()));
    }

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
}
