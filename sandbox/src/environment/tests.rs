use serde_json::Value;

use super::*;
use crate::host::{Connection, Entity, ServiceBusTrigger};
use crate::service_bus::{NewMessage, Property};

async fn environment() -> Environment {
    Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap()
}

async fn contacts(settings: &BTreeMap<String, String>, token: &str) -> u16 {
    let url = format!("{}api/data/v9.2/contacts?$top=1", settings["DataverseUrl"]);
    reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_client_secret_gives_access_to_dataverse_only() {
    let environment = environment().await;
    let settings = environment.settings_with_secrets();
    let url = format!("{}{}/oauth2/v2.0/token", settings["DataverseAuthority"], settings["DataverseTenantId"]);
    let audience = settings["DataverseUrl"].trim_end_matches('/');
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &settings["DataverseClientId"]),
        ("client_secret", &settings["DataverseClientSecret"]),
        ("scope", &format!("{audience}/.default")),
    ];
    let reply = reqwest::Client::new().post(url).form(&form).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    let token = reply["access_token"].as_str().unwrap();
    assert_eq!(contacts(&settings, token).await, 200);
    let search = format!("{}Commerce/CommerceEventsController/Search?api-version=7.3", settings["CSUEndpoint"]);
    let refused = reqwest::Client::new().post(search).bearer_auth(token).send().await.unwrap();
    assert_eq!(refused.status(), 401);
}

#[tokio::test]
async fn the_managed_identity_gives_access_to_dataverse() {
    let environment = environment().await;
    let settings = environment.settings();
    assert!(!settings.contains_key("DataverseClientSecret"));
    let query = [
        ("api-version", "2019-08-01"),
        ("resource", settings["DataverseUrl"].trim_end_matches('/')),
        ("client_id", &settings["AZURE_CLIENT_ID"]),
    ];
    let request = reqwest::Client::new().get(&settings["IDENTITY_ENDPOINT"]).query(&query);
    let reply = request.header("X-IDENTITY-HEADER", &settings["IDENTITY_HEADER"]).send().await.unwrap();
    let reply: Value = reply.json().await.unwrap();
    assert_eq!(contacts(&settings, reply["access_token"].as_str().unwrap()).await, 200);
    assert_eq!(environment.network().calls()[&Dependency::Entra], 1);
}

#[tokio::test]
async fn some_customers_are_contacts_at_the_start_and_none_twice() {
    let environment = environment().await;
    let contacts = environment.dataverse().contacts();
    assert_eq!(contacts.len(), environment.initial_contacts().len());
    assert!(contacts.iter().any(|contact| contact.contact_number.is_none() && contact.email.is_some()));
    let shop = environment.shop();
    let mut companies = BTreeSet::new();
    for contact in &contacts {
        let owner = contact.contact_number.as_deref().and_then(|number| shop.customer(number));
        companies.extend(owner.map(|owner| (owner.data_area, contact.company)));
    }
    assert_eq!(companies.len(), 2, "a number's contact is in the number's company: {companies:?}");
    let borrowed = contacts.iter().filter(|contact| {
        let owner = contact.contact_number.as_deref().and_then(|number| shop.customer(number));
        owner.is_some_and(|owner| contact.email.as_deref() != owner.reachable_at())
    });
    assert!(borrowed.count() > 0);
    assert!(environment.audit(&Journey::ALL, &[]).is_clean());
}

#[tokio::test]
async fn messages_are_received_only_while_service_bus_is_reachable() {
    let environment = environment().await;
    let mut trigger = ServiceBusTrigger {
        binding: "message".to_owned(),
        entity: Entity::Subscription { topic: TOPIC.to_owned(), subscription: SUBSCRIPTION.to_owned() },
        connection: Connection::String(environment.settings()["ServiceBusConnection"].clone()),
        binary: false,
    };
    let sources = environment.sources();
    let source = sources(&trigger).unwrap();
    environment.broker().send(TOPIC, vec![NewMessage { body: "1".into(), ..NewMessage::default() }]).unwrap();
    environment.served(Dependency::ServiceBus).set_reachable(false);
    assert!(futures::poll!(source.receive()).is_pending());
    environment.served(Dependency::ServiceBus).set_reachable(true);
    let delivery = source.receive().await;
    assert_eq!(delivery.message.body, "1");
    environment.served(Dependency::ServiceBus).set_reachable(false);
    assert!(source.complete(delivery.lock_token).await.is_err());
    environment.served(Dependency::ServiceBus).set_reachable(true);
    source.complete(delivery.lock_token).await.unwrap();
    assert_eq!(environment.counts(), Counts::default());

    trigger.entity = Entity::Queue("q".to_owned());
    assert!(sources(&trigger).is_err());
    trigger.connection = Connection::Namespace("contoso.servicebus.windows.net".to_owned());
    assert!(sources(&trigger).is_err());
}

#[tokio::test]
async fn a_taken_port_is_reported() {
    let taken = Network::bind(None).await.unwrap();
    let ports = Some(taken.local_addr().unwrap().port());
    let refused = Environment::start(EnvironmentOptions { ports, ..EnvironmentOptions::new(Clock::real()) }).await;
    assert!(
        matches!(refused, Err(EnvironmentError::Port { dependency: Dependency::Entra, port, .. }) if port == ports)
    );
}

#[tokio::test]
async fn local_settings_json_matches_the_sandbox_on_its_fixed_ports() {
    let environment = environment().await;
    let file = std::fs::read_to_string(crate::app_folder::repository().join("local.settings.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let fixed = |text: &String| {
        let ports = Dependency::ALL.map(|it| (environment.served(it).port(), port(Some(PORT_BASE), it).unwrap()));
        ports.iter().fold(text.clone(), |text, (here, fixed)| text.replace(&format!(":{here}"), &format!(":{fixed}")))
    };
    let settings: BTreeMap<_, _> =
        environment.settings().iter().map(|(name, value)| (name.clone(), fixed(value))).collect();
    assert_eq!(file["Values"], serde_json::to_value(settings).unwrap());
    assert_eq!(file["IsEncrypted"], false);
}

/// The source of messages for an environment that delivers over AMQP.
fn source(environment: &Environment) -> Arc<dyn crate::host::MessageSource> {
    let trigger = ServiceBusTrigger {
        binding: "message".to_owned(),
        entity: Entity::Subscription { topic: TOPIC.to_owned(), subscription: SUBSCRIPTION.to_owned() },
        connection: Connection::String(environment.settings()["ServiceBusConnection"].clone()),
        binary: false,
    };
    (environment.sources())(&trigger).unwrap()
}

#[tokio::test]
async fn the_host_receives_the_same_over_amqp_and_in_process() {
    let over = async |deliver| {
        let environment =
            Environment::start(EnvironmentOptions { deliver, ..EnvironmentOptions::new(Clock::real()) }).await.unwrap();
        let source = source(&environment);
        let properties = [("EventType".to_owned(), Property::from("Checkout")), ("n".to_owned(), Property::Integer(7))];
        let message = NewMessage {
            message_id: Some("m1".to_owned()),
            body: "{}".into(),
            content_type: Some("application/json".to_owned()),
            subject: Some("subject".to_owned()),
            partition_key: Some("key".to_owned()),
            application_properties: properties.into(),
            ..NewMessage::default()
        };
        environment.broker().send(TOPIC, vec![message]).unwrap();
        let first = source.receive().await;
        source.abandon(first.lock_token).await.unwrap();
        let second = source.receive().await;
        assert_eq!((first.message.delivery_count, second.message.delivery_count), (1, 2));
        assert_ne!(first.lock_token, second.lock_token);
        assert!(source.renew(second.lock_token).await.unwrap() >= second.locked_until);
        source.complete(second.lock_token).await.unwrap();
        // The renewal is sent after the completion on the same connection.
        assert_eq!(source.renew(second.lock_token).await, Err(crate::host::SettlementError::LockLost));
        assert_eq!(environment.counts(), Counts::default());
        let enqueued = second.message.enqueued_time;
        (
            second.message.expires_at - enqueued,
            crate::host::Message {
                enqueued_time: Default::default(),
                expires_at: Default::default(),
                ..second.message
            },
        )
    };
    assert_eq!(over(Deliver::Amqp).await, over(Deliver::InProcess).await);
}

#[tokio::test]
async fn receiving_over_amqp_survives_an_outage_and_cancelled_calls() {
    let options = EnvironmentOptions { deliver: Deliver::Amqp, ..EnvironmentOptions::new(Clock::real()) };
    let environment = Environment::start(options).await.unwrap();
    let source = source(&environment);
    let mut cancelled = source.receive();
    assert!(futures::poll!(&mut cancelled).is_pending());
    drop(cancelled);
    environment.served(Dependency::ServiceBus).set_reachable(false);
    environment.served(Dependency::ServiceBus).set_reachable(true);
    environment.broker().send(TOPIC, vec![NewMessage { body: "{}".into(), ..NewMessage::default() }]).unwrap();
    let delivery = source.receive().await;
    source.complete(delivery.lock_token).await.unwrap();
    assert!(source.renew(delivery.lock_token).await.is_err());
    assert_eq!(environment.counts(), Counts::default());
}
