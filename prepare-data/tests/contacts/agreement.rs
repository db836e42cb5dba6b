//! `process-message` and `sync-contacts` give a customer the same contact, whoever comes first.

use commerce_journeys::events::RetryHistory;
use commerce_journeys::functions::{Delivery, DeliveryOutcome, Services, process_message};
use commerce_journeys::journeys::Journeys;
use commerce_journeys::settings::Settings;
use sandbox::dataverse::Contact;
use serde_json::json;
use uuid::Uuid;

use crate::environment::{Customer, TestEnvironment, contact};

const WELCOME: &str = r#"{"journeys": [{"name": "welcome", "eventType": "CustomerCreate", "trigger": "%FeedbackRequestTrigger%", "parameters": {
    "msdynmkt_signaltimestamp": {"from": "now", "type": "DateTime"},
    "msdynmkt_signalingestiontimestamp": {"from": "now", "type": "DateTime"},
    "msdynmkt_signaluserauthid": {"from": "contactId", "type": "String"},
    "msdynmkt_profileid": {"from": "contactId", "type": "String"},
    "msdynmkt_orderid": {"from": "/EventDetails/EventTransactionId", "type": "String"},
    "msdynmkt_receiptemail": {"from": "/CustomerDetails/Email", "type": "String", "default": ""},
    "msdynmkt_purchasedat": {"from": "/EventDetails/EventDateTime", "type": "DateTime"},
    "msdynmkt_storename": {"from": "/EventDetails/EventTerminalId", "type": "String", "default": ""}}}]}"#;

/// Lets the handler deal with an event of this customer; the contact for which it started the journey.
async fn handled(environment: &TestEnvironment, customer: &Customer) -> Uuid {
    let setting = |name: &str| environment.settings().get(name).cloned();
    let journeys = Journeys::read(WELCOME, setting).unwrap();
    let app = Services::new(Settings::read(setting).unwrap(), journeys, environment.clock()).unwrap();
    let body = json!({
        "OrderDetails": null,
        "CustomerDetails": {
            "AccountNumber": customer.number, "Email": customer.email, "FirstName": customer.first_name,
            "LastName": customer.last_name, "PartyNumber": customer.party_number, "CustomerGroup": customer.customer_group,
        },
        "EventDetails": {
            "EventTransactionId": Uuid::new_v4(), "EventDateTime": "2026-11-22T09:00:00Z", "EventType": "CustomerCreate",
            // The Scale Unit and the lake do not agree on the case of companies.
            "EventDataAreaId": customer.company.to_uppercase(), "EventChannelId": 5637144592_i64, "EventTerminalId": "T1",
            "EventCustomerId": customer.number,
        },
    });
    let delivery = Delivery {
        body: body.to_string().into(),
        delivery_count: 1,
        enqueued_at: None,
        history: RetryHistory::default(),
    };
    let outcome = process_message(&app, delivery).await;
    assert!(matches!(outcome, DeliveryOutcome::Completed), "{outcome:?}");
    environment.dataverse().started().last().unwrap().contact.expect("the contact exists")
}

/// A place to begin, made anew for each of the two orders.
async fn begin(known: Option<&Contact>) -> TestEnvironment {
    let environment = TestEnvironment::usual().await;
    if let Some(known) = known {
        environment.dataverse().add_contact(known);
    }
    environment
}

#[tokio::test]
async fn both_orders_end_in_the_same_contact() {
    let customer = Customer::new("C'1");
    let by_email = Contact { id: Uuid::from_u128(1), ..contact(None, Some("C'1@example.org")) };
    let by_number = Contact { id: Uuid::from_u128(2), ..contact(Some("c'1"), None) };
    let somebody_elses = Contact { id: Uuid::from_u128(3), ..contact(Some("C2"), customer.email.as_deref()) };
    let cases = [
        (None, customer.contact_id()),
        (Some(&by_email), by_email.id),
        (Some(&by_number), by_number.id),
        (Some(&somebody_elses), customer.contact_id()),
    ];
    for (known, expected) in cases {
        let contacts = 1 + usize::from(known.is_some_and(|it| it.id != expected));

        let handler_first = begin(known).await;
        assert_eq!(handled(&handler_first, &customer).await, expected);
        handler_first.gold(std::slice::from_ref(&customer)).await;
        let report = handler_first.sync().await;
        assert_eq!((report.created.count, report.linked.count, report.exit_code()), (0, 0, 0), "{report}");
        assert_eq!(
            handler_first.new_contacts() + usize::from(known.is_none()),
            contacts + usize::from(known.is_none())
        );

        let sync_first = begin(known).await;
        sync_first.gold(std::slice::from_ref(&customer)).await;
        assert_eq!(sync_first.sync().await.exit_code(), 0);
        let synced = sync_first.contact(expected);
        assert_eq!(handled(&sync_first, &customer).await, expected);
        assert_eq!(sync_first.contact(expected), synced, "there is nothing left to link");
        assert_eq!(sync_first.new_contacts(), contacts);
    }
}

#[tokio::test]
async fn what_the_handler_creates_needs_no_change() {
    let environment = TestEnvironment::usual().await;
    let customer = Customer::new("C1");
    let id = handled(&environment, &customer).await;
    let created = environment.contact(id);
    environment.gold(&[customer]).await;
    assert_eq!(environment.sync().await.equal, 1);
    assert_eq!(environment.contact(id), created);
}
