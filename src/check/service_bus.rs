//! Service Bus: the topic and the right to send, the subscription and the right to receive.
//!
//! Statuses: "Send Message" and "Unlock Message" of the REST API reference. A missing right can be reported with 401 or 403.

use reqwest::StatusCode;

use super::{Finding, Problem, Stage};
use crate::clients::{CallError, Reply};
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::settings::BusCredential;

pub(super) async fn check(services: &Services) -> Vec<Finding> {
    let settings = &services.settings.bus;
    let with_key = matches!(settings.credential, BusCredential::SharedKey { .. });
    let topic = Entity {
        what: format!("topic {}", settings.topic),
        setting: "ServiceBusTopicName",
        right: if with_key { "the claim Send" } else { "the role \"Azure Service Bus Data Sender\"" },
        with_key,
    };
    let subscription = Entity {
        what: format!("subscription {}", settings.subscription),
        setting: "ServiceBusSubscriptionName (and ServiceBusTopicName)",
        right: if with_key { "the claim Listen" } else { "the role \"Azure Service Bus Data Receiver\"" },
        with_key,
    };
    let (sent, received) = (services.bus.probe_send().await, services.bus.probe_receive().await);
    // These errors about the message and the lock show that the request was permitted.
    vec![topic.evaluate(sent, StatusCode::BAD_REQUEST), subscription.evaluate(received, StatusCode::NOT_FOUND)]
}

/// 403 can also mean this.
const OR_OVER_QUOTA: &str = "; if it exists, the entity is over its quota";

struct Entity {
    what: String,
    setting: &'static str,
    right: &'static str,
    with_key: bool,
}

impl Entity {
    fn evaluate(&self, response: Result<Reply, CallError>, expected: StatusCode) -> Finding {
        let reply = match response {
            Ok(reply) => reply,
            Err(error) => {
                let remedy = "check ServiceBusConnection (or ServiceBusConnection__fullyQualifiedNamespace), name \
                    resolution, and the namespace's firewall";
                return Finding::no_response(Dependency::ServiceBus, self.what.as_str(), &error, remedy);
            }
        };
        match reply.status {
            status if status == expected || status.is_success() => {
                Finding::ok(Dependency::ServiceBus, self.what.as_str())
            }
            StatusCode::UNAUTHORIZED if !is_missing_right(&reply) => self.rejected_identity(&reply),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.failed(
                Stage::Permitted,
                &reply,
                &format!("{} is missing", self.right),
                &match self.with_key {
                    true => {
                        format!("use a shared access policy with {} in ServiceBusConnection{OR_OVER_QUOTA}", self.right)
                    }
                    false => format!("assign the managed identity {} on the namespace{OR_OVER_QUOTA}", self.right),
                },
            ),
            StatusCode::GONE | StatusCode::NOT_FOUND => self.failed(
                Stage::Exists,
                &reply,
                "there is no such entity in the namespace",
                &format!("create it, or set {} to the name that exists", self.setting),
            ),
            _ => self.failed(Stage::Reached, &reply, "the namespace is not available", "try again later"),
        }
    }

    fn rejected_identity(&self, reply: &Reply) -> Finding {
        let remedy = if self.with_key {
            "set ServiceBusConnection to a connection string of this namespace with a valid key"
        } else {
            "the namespace must be in the identity's tenant; check ServiceBusConnection__fullyQualifiedNamespace and AZURE_CLIENT_ID"
        };
        self.failed(Stage::Authenticated, reply, "the namespace rejects the token", remedy)
    }

    fn failed(&self, at: Stage, reply: &Reply, mistake: &str, remedy: &str) -> Finding {
        let mistake = format!("{mistake} ({})", reply.status.as_u16());
        Finding::failed(Dependency::ServiceBus, self.what.as_str(), at, Problem::new(mistake, remedy))
    }
}

/// Whether the token is valid but has no right: "Unauthorized access for 'Send' operation", "'Listen' claim(s) are required".
fn is_missing_right(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(&reply.body).to_lowercase();
    text.contains("unauthorized access") || text.contains("claim")
}
