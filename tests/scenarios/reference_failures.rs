//! Failures of the published sample, one test each.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::host::KillScope;
use sandbox::network::{Call, Dependency, FaultAction, NoFaults};
use sandbox::shop::{CHANNELS, Customer};

use crate::environment::{Plan, TestEnvironment, all_journeys};
use crate::script::{Calls, Script};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// The sample: record id and message id are the transaction id alone.
#[tokio::test]
async fn a_cart_and_its_checkout_are_two_events() {
    let mut test = Plan::usual().with_journeys(all_journeys()).open().await;
    let customer = test.stranger();
    let checkout = test.checkout(Some(&customer), None);
    test.minute().await;
    let records = test.records().await;
    let of_cart: Vec<_> = records.keys().filter(|(transaction, _)| *transaction == checkout.transaction_id).collect();
    assert_eq!(of_cart.len(), 2, "{records:?}");
    test.assert_clean(&Journey::ALL);
}

/// The sample: all event types are sent as one string, and none matches.
#[tokio::test]
async fn each_event_type_is_searched_separately() {
    let mut test = TestEnvironment::usual().await;
    test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    let types: Vec<String> = test.records().await.into_keys().map(|(_, event_type)| event_type).collect();
    assert_eq!(types, ["AddCartLines", "Checkout"]);
}

/// The sample: only the first page of a window is ever read.
#[tokio::test]
async fn all_pages_are_read() {
    let mut test = Plan::usual().with("PollPageSize", "7").open().await;
    for _ in 0..30 {
        test.checkout(Some(&test.stranger()), None);
    }
    test.minute().await;
    assert_eq!(test.records().await.len(), 60);
    test.assert_clean(&CONFIRMATION);
}

/// The sample: the watermark follows the last processed record, and late events are lost.
#[tokio::test]
async fn events_that_commit_late_and_out_of_order_are_found() {
    let mut test = TestEnvironment::usual().await;
    test.shop().set_commit_delay(TimeDelta::seconds(100));
    test.checkout(Some(&test.stranger()), None);
    test.shop().set_commit_delay(TimeDelta::zero());
    test.checkout(None, Some("early@example.org"));
    test.minute().await;
    assert_eq!(test.environment.dataverse().started().len(), 1, "only committed events are visible");
    test.minute().await;
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: bounds are truncated to whole seconds, and identical searches are cached for an hour.
#[tokio::test]
async fn all_events_within_one_second_and_between_two_polls_are_found() {
    let mut test = Plan::usual().with("PollSchedule", "* * * * * *").open().await;
    for _ in 0..12 {
        test.checkout(None, Some("busy@example.org"));
        test.pass(TimeDelta::milliseconds(330)).await;
    }
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: records that a crash leaves behind are never processed again.
#[tokio::test]
async fn a_crash_leaves_no_event_behind() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    let hang = |call: &Call| if call.path.contains("SalesOrders") { FaultAction::Hang } else { FaultAction::Serve };
    test.environment.network().set_faults(Script::new(&calls, hang));
    let checkout = test.checkout(Some(&test.stranger()), None);
    test.until(|_| calls.to("SalesOrders") > 0).await;
    assert_eq!(test.record(&checkout).await["status"], "new", "the record is written, and the run waits for the order");
    test.app.host().replace_handler(KillScope::Instance).await;
    test.environment.network().set_faults(NoFaults::default());
    assert!(test.app.host().ready().await);
    test.pass(TimeDelta::minutes(4)).await;
    assert_eq!(test.record(&checkout).await["status"], "processed");
    test.assert_clean(&CONFIRMATION);
}

/// The sample: one failing event blocks the run for a minute, and is then dropped.
#[tokio::test]
async fn a_late_order_is_retried_and_delays_no_other_event() {
    let mut test = TestEnvironment::usual().await;
    test.shop().set_order_delay(Some(TimeDelta::minutes(10)));
    let late = test.checkout(Some(&test.stranger()), None);
    test.shop().set_order_delay(Some(TimeDelta::zero()));
    test.checkout(None, Some("prompt@example.org"));
    test.minute().await;
    assert_eq!(test.environment.dataverse().started().len(), 1);
    let record = test.record(&late).await;
    assert_eq!(
        (record["status"].as_str(), record["reason"]["code"].as_str()),
        (Some("retrying"), Some("orderNotFound"))
    );
    test.pass(TimeDelta::minutes(25)).await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: an event of a cart has no sales order, and its enrichment always fails.
#[tokio::test]
async fn an_event_of_a_cart_is_enriched_with_the_cart() {
    let mut test = Plan::usual().with_journeys(all_journeys()).open().await;
    let customer = test.stranger();
    test.fill_cart(CHANNELS[0].id, Some(&customer), 3);
    test.minute().await;
    let started = test.environment.dataverse().started();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].as_written("msdynmkt_itemcount").and_then(|count| count.parse::<f64>().ok()), Some(3.0));
    test.assert_clean(&Journey::ALL);
}

/// The sample: a guest's event always fails, because the customer call needs an id.
#[tokio::test]
async fn a_guest_needs_no_customer_request() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    test.checkout(None, Some("guest+tag@o'neil.example"));
    test.minute().await;
    assert_eq!(calls.to("Customers"), 0);
    test.assert_clean(&CONFIRMATION);
}

/// The sample: every run requests a token.
#[tokio::test]
async fn tokens_are_used_until_shortly_before_they_expire() {
    let mut test = TestEnvironment::usual().await;
    let token_requests = |test: &TestEnvironment| test.environment.network().calls()[&Dependency::Entra];
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(30)).await;
    assert_eq!(token_requests(&test), 2, "one for the Scale Unit, one for Dataverse");
    // A token lives for an hour.
    test.pass(TimeDelta::minutes(60)).await;
    test.checkout(Some(&test.stranger()), None);
    test.minute().await;
    assert_eq!(token_requests(&test), 4);
    test.assert_clean(&CONFIRMATION);
}

/// A revoked token is replaced at once.
#[tokio::test]
async fn a_revoked_token_is_replaced() {
    let mut test = TestEnvironment::usual().await;
    test.checkout(None, Some("before@example.org"));
    test.minute().await;
    test.environment.entra().revoke_all();
    test.checkout(None, Some("after@example.org"));
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: the first page that contains an event makes the run fail.
#[tokio::test]
async fn a_page_with_events_is_read_to_its_end() {
    let mut test = TestEnvironment::usual().await;
    for _ in 0..3 {
        test.checkout(None, Some("page@example.org"));
    }
    test.pass(TimeDelta::seconds(25)).await;
    assert_eq!(test.records().await.len(), 6);
}

/// The sample: one operating unit number for all channels.
#[tokio::test]
async fn every_channel_uses_its_own_operating_unit() {
    let mut test = TestEnvironment::usual().await;
    let calls = Calls::default();
    test.environment.network().set_faults(Script::recording(&calls));
    for channel in &CHANNELS {
        test.checkout_in(channel.id, None, Some("traveller@example.org"));
        test.checkout_in(channel.id, None, Some("traveller@example.org"));
    }
    test.minute().await;
    test.assert_clean(&CONFIRMATION);
    assert_eq!(calls.to("GetOperatingUnitNumber"), CHANNELS.len(), "each is requested once");
}

/// The sample: a message is completed before its workflow has run.
#[tokio::test]
async fn a_message_stays_until_its_journeys_have_started() {
    let mut test = TestEnvironment::usual().await;
    test.environment.served(Dependency::Dataverse).set_reachable(false);
    test.checkout(Some(&test.stranger()), None);
    test.pass(TimeDelta::minutes(30)).await;
    let counts = test.environment.counts();
    assert_eq!(counts.active + counts.locked + counts.scheduled, 1, "only the checkout has a journey: {counts:?}");
    assert_eq!(counts.dead_lettered, 0);
    test.environment.served(Dependency::Dataverse).set_reachable(true);
    test.pass(TimeDelta::minutes(16)).await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: two quick orders of a new customer create two contacts.
#[tokio::test]
async fn quick_orders_of_a_new_customer_create_one_contact() {
    let mut test = TestEnvironment::usual().await;
    let before = test.environment.dataverse().contacts().len();
    let customer = test.stranger();
    for _ in 0..8 {
        test.checkout(Some(&customer), None);
        test.checkout(None, Some("New.Guest@example.org"));
        test.checkout(None, Some("new.guest@EXAMPLE.org"));
    }
    test.minute().await;
    assert_eq!(test.environment.dataverse().contacts().len(), before + 2);
    test.assert_clean(&CONFIRMATION);
}

/// The sample: a quote in a customer's name breaks the request.
#[tokio::test]
async fn quotes_and_unicode_letters_reach_the_journey_unchanged() {
    let mut test = TestEnvironment::usual().await;
    let model = test.shop().customer(&test.stranger()).unwrap();
    let customer = Customer {
        account: "Q'1".to_owned(),
        first_name: r#"Séamus "Jim" \"#.to_owned(),
        last_name: "O'Brien-Ωμέγα".to_owned(),
        email: "jim+o'b&x=1@example.org".to_owned(),
        receipt_email: String::new(),
        ..(*model).clone()
    };
    test.shop().register(customer.clone()).unwrap();
    test.checkout(Some("Q'1"), None);
    test.minute().await;
    let contact = test
        .environment
        .dataverse()
        .contacts()
        .into_iter()
        .find(|contact| contact.contact_number.as_deref() == Some("Q'1"));
    let contact = contact.expect("the contact was created");
    assert_eq!(contact.first_name, Some(customer.first_name));
    assert_eq!(contact.last_name, Some(customer.last_name));
    assert_eq!(contact.email, Some(customer.email));
    test.assert_clean(&CONFIRMATION);
}

/// The sample: a redelivered message triggers the journey again.
#[tokio::test]
async fn a_duplicate_message_starts_its_journeys_once() {
    let mut test = TestEnvironment::usual().await;
    for _ in 0..5 {
        test.environment.broker().duplicate_next_send();
        test.checkout(Some(&test.stranger()), None);
        test.minute().await;
    }
    test.pass(TimeDelta::minutes(5)).await;
    test.assert_clean(&CONFIRMATION);
}

/// The sample: the party number is written to the wrong field with quotes, and an empty lookup fails the run.
#[tokio::test]
async fn a_new_contact_has_its_party_number_and_only_the_groups_that_exist() {
    let mut test = TestEnvironment::usual().await;
    let model = test.shop().customer(&test.stranger()).unwrap();
    let email = |name: &str| format!("{name}@example.org");
    let grouped =
        Customer { account: "G-1".to_owned(), email: email("g1"), receipt_email: String::new(), ..(*model).clone() };
    let groupless = Customer { account: "G-2".to_owned(), email: email("g2"), group: "NOSUCH", ..grouped.clone() };
    for customer in [&grouped, &groupless] {
        test.shop().register(customer.clone()).unwrap();
        test.checkout(Some(&customer.account), None);
    }
    test.minute().await;
    let contact = |number: &str| {
        test.environment
            .dataverse()
            .contacts()
            .into_iter()
            .find(|it| it.contact_number.as_deref() == Some(number))
            .unwrap()
    };
    assert_eq!(contact("G-1").party_number.as_deref(), Some(grouped.party_number.as_str()));
    assert_eq!(contact("G-1").sellable, Some(true));
    assert!(contact("G-1").company.is_some() && contact("G-1").customer_group.is_some());
    assert!(contact("G-2").company.is_some() && contact("G-2").customer_group.is_none());
    test.assert_clean(&CONFIRMATION);
}

/// The sample: secrets in app settings. Here the managed identity is used where there is no key.
#[test]
fn no_secret_is_needed_and_none_is_printed() {
    use commerce_journeys::settings::Settings;
    let setting = |name: &str| {
        let value = match name {
            "CSUEndpoint" => "https://scu.example.com/",
            "OperatingUnitNumber" => "052",
            "CosmosDbEndpoint" => "https://events.documents.azure.com/",
            "ServiceBusConnection__fullyQualifiedNamespace" => "events.servicebus.windows.net",
            "DataverseUrl" => "https://contoso.crm.dynamics.com",
            _ => return None,
        };
        Some(value.to_owned())
    };
    Settings::read(setting).expect("no secret is required");
    let with_secrets = |name: &str| match name {
        "CosmosDbKey" | "CommerceClientSecretD365Commerce" | "DataverseClientSecret" => Some("hush".to_owned()),
        "ServiceBusConnection" => {
            Some("Endpoint=sb://x.example/;SharedAccessKeyName=n;SharedAccessKey=hush".to_owned())
        }
        "TenantIdD365Commerce" | "CommerceClientIdD365Commerce" | "DataverseTenantId" | "DataverseClientId" => {
            Some("id".to_owned())
        }
        other => setting(other),
    };
    let settings = Settings::read(with_secrets).unwrap();
    assert!(!format!("{settings:?}").contains("hush"));
}
