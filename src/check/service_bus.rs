//! Service Bus: the topic and the right to send, the subscription and the right to receive.
//!
//! Statuses: "Send Message" and "Unlock Message" of the REST API reference. Whether a missing right is told with 401
//! or 403 differs between descriptions, so both are understood.

use reqwest::StatusCode;

use super::{Finding, Problem, Stage};
use crate::app::App;
use crate::clients::{CallError, Dependency, Reply};
use crate::settings::BusCredential;

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let settings = &app.settings.bus;
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
    let (sent, received) = (app.bus.probe_send().await, app.bus.probe_receive().await);
    // A message that cannot be read, or a lock that is not held: the service got as far as looking.
    vec![topic.judge(sent, StatusCode::BAD_REQUEST), subscription.judge(received, StatusCode::NOT_FOUND)]
}

/// 403 says that too.
const OR_FULL: &str = "; if it is there, the entity is over its quota";

struct Entity {
    what: String,
    setting: &'static str,
    right: &'static str,
    with_key: bool,
}

impl Entity {
    fn judge(&self, answer: Result<Reply, CallError>, looked: StatusCode) -> Finding {
        let reply = match answer {
            Ok(reply) => reply,
            Err(error) => {
                let remedy = "check ServiceBusConnection (or ServiceBusConnection__fullyQualifiedNamespace), name \
                    resolution, and that the namespace's firewall lets this machine in";
                return Finding::unanswered(Dependency::ServiceBus, self.what.as_str(), &error, remedy);
            }
        };
        match reply.status {
            status if status == looked || status.is_success() => {
                Finding::green(Dependency::ServiceBus, self.what.as_str())
            }
            StatusCode::UNAUTHORIZED if !lacks_right(&reply) => self.not_known(&reply),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.failed(
                Stage::Permitted,
                &reply,
                &format!("{} is missing", self.right),
                &match self.with_key {
                    true => format!("use a shared access policy with {} in ServiceBusConnection{OR_FULL}", self.right),
                    false => format!("assign the managed identity {} on the namespace{OR_FULL}", self.right),
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

    fn not_known(&self, reply: &Reply) -> Finding {
        let remedy = if self.with_key {
            "set ServiceBusConnection to a connection string of this namespace with a key that is still good"
        } else {
            "the namespace must be in the identity's tenant; check ServiceBusConnection__fullyQualifiedNamespace and AZURE_CLIENT_ID"
        };
        self.failed(Stage::Authenticated, reply, "the namespace refuses the token", remedy)
    }

    fn failed(&self, at: Stage, reply: &Reply, mistake: &str, remedy: &str) -> Finding {
        let mistake = format!("{mistake} ({})", reply.status.as_u16());
        Finding::failed(Dependency::ServiceBus, self.what.as_str(), at, Problem::new(mistake, remedy))
    }
}

/// "Unauthorized access for 'Send' operation", "'Listen' claim(s) are required": a good token without the right.
fn lacks_right(reply: &Reply) -> bool {
    let text = String::from_utf8_lossy(&reply.body).to_lowercase();
    text.contains("unauthorized access") || text.contains("claim")
}
