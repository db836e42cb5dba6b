//! What the published sample of this system gets wrong, case by case.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::host::KillScope;
use sandbox::network::{Call, Dependency, FaultAction, NoFaults};
use sandbox::shop::{CHANNELS, Customer};

use crate::script::{Calls, Script};
use crate::town::{Plan, TestEnvironment, all_journeys};

const CONFIRMATION: [Journey; 1] = [Journey::OrderConfirmation];

/// The sample: record id and message id are the transaction id alone.
#[tokio::test]
async fn a_cart_and_its_checkout_are_two_events() {
    let mut town = Plan::usual().with_journeys(all_journeys()).open().await;
    let customer = town.stranger();
    let checkout = town.checkout(Some(&customer), None);
    town.minute().await;
    let records = town.records().await;
    let of_cart: Vec<_> = records.keys().filter(|(transaction, _)| *transaction == checkout.transaction_id).collect();
    assert_eq!(of_cart.len(), 2, "{records:?}");
    town.assert_clean(&Journey::ALL);
}

/// The sample: all event types are sent as one string, and none matches.
#[tokio::test]
async fn each_event_type_is_searched_on_its_own() {
    let mut town = TestEnvironment::usual().await;
    town.checkout(Some(&town.stranger()), None);
    town.minute().await;
    let types: Vec<String> = town.records().await.into_keys().map(|(_, event_type)| event_type).collect();
    assert_eq!(types, ["AddCartLines", "Checkout"]);
}

/// The sample: only the first page of a window is ever read.
#[tokio::test]
async fn more_events_than_a_page_are_all_read() {
    let mut town = Plan::usual().with("PollPageSize", "7").open().await;
    for _ in 0..30 {
        town.checkout(Some(&town.stranger()), None);
    }
    town.minute().await;
    assert_eq!(town.records().await.len(), 60);
    town.assert_clean(&CONFIRMATION);
}

/// The sample: the watermark follows the last processed record, and late events are lost.
#[tokio::test]
async fn events_that_commit_late_and_out_of_order_are_still_seen() {
    let mut town = TestEnvironment::usual().await;
    town.shop().set_commit_delay(TimeDelta::seconds(100));
    town.checkout(Some(&town.stranger()), None);
    town.shop().set_commit_delay(TimeDelta::zero());
    town.checkout(None, Some("early@example.org"));
    town.minute().await;
    assert_eq!(town.environment.dataverse().started().len(), 1, "only what is committed can be seen");
    town.minute().await;
    town.minute().await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: bounds are cut to whole seconds, and identical windows are served from a cache for an hour.
#[tokio::test]
async fn events_within_one_second_and_between_two_polls_are_all_seen() {
    let mut town = Plan::usual().with("PollSchedule", "* * * * * *").open().await;
    for _ in 0..12 {
        town.checkout(None, Some("busy@example.org"));
        town.pass(TimeDelta::milliseconds(330)).await;
    }
    town.minute().await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: a crash leaves records that nobody ever looks at again.
#[tokio::test]
async fn a_crash_leaves_no_event_behind() {
    let mut town = TestEnvironment::usual().await;
    let calls = Calls::default();
    let hang = |call: &Call| if call.path.contains("SalesOrders") { FaultAction::Hang } else { FaultAction::Serve };
    town.environment.network().set_faults(Script::new(&calls, hang));
    let checkout = town.checkout(Some(&town.stranger()), None);
    town.until(|_| calls.to("SalesOrders") > 0).await;
    assert_eq!(
        town.record(&checkout).await["status"],
        "new",
        "the run is stuck in the order call, its record is written"
    );
    town.app.host().replace_handler(KillScope::Instance).await;
    town.environment.network().set_faults(NoFaults::default());
    assert!(town.app.host().ready().await);
    town.pass(TimeDelta::minutes(4)).await;
    assert_eq!(town.record(&checkout).await["status"], "processed");
    town.assert_clean(&CONFIRMATION);
}

/// The sample: one failing event blocks the run for a minute, and is dropped for good after it.
#[tokio::test]
async fn an_order_that_is_late_delays_nobody_else_and_is_waited_for() {
    let mut town = TestEnvironment::usual().await;
    town.shop().set_order_delay(Some(TimeDelta::minutes(10)));
    let late = town.checkout(Some(&town.stranger()), None);
    town.shop().set_order_delay(Some(TimeDelta::zero()));
    town.checkout(None, Some("prompt@example.org"));
    town.minute().await;
    assert_eq!(town.environment.dataverse().started().len(), 1);
    let record = town.record(&late).await;
    assert_eq!(
        (record["status"].as_str(), record["reason"]["code"].as_str()),
        (Some("retrying"), Some("orderNotFound"))
    );
    town.pass(TimeDelta::minutes(25)).await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: an event of a cart has no sales order, and its enrichment always fails.
#[tokio::test]
async fn an_event_of_a_cart_is_enriched_with_the_cart() {
    let mut town = Plan::usual().with_journeys(all_journeys()).open().await;
    let customer = town.stranger();
    town.fill_cart(CHANNELS[0].id, Some(&customer), 3);
    town.minute().await;
    let started = town.environment.dataverse().started();
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].as_written("msdynmkt_itemcount").and_then(|count| count.parse::<f64>().ok()), Some(3.0));
    town.assert_clean(&Journey::ALL);
}

/// The sample: a guest's event always fails, because the customer call needs an id.
#[tokio::test]
async fn a_guest_needs_no_customer_call() {
    let mut town = TestEnvironment::usual().await;
    let calls = Calls::default();
    town.environment.network().set_faults(Script::watching(&calls));
    town.checkout(None, Some("guest+tag@o'neil.example"));
    town.minute().await;
    assert_eq!(calls.to("Customers"), 0);
    town.assert_clean(&CONFIRMATION);
}

/// The sample: a token is fetched at every run.
#[tokio::test]
async fn tokens_are_used_until_shortly_before_they_expire() {
    let mut town = TestEnvironment::usual().await;
    let asked = |town: &TestEnvironment| town.environment.network().calls()[&Dependency::Entra];
    town.checkout(Some(&town.stranger()), None);
    town.pass(TimeDelta::minutes(30)).await;
    assert_eq!(asked(&town), 2, "one for the Scale Unit, one for Dataverse");
    // A token lives for an hour.
    town.pass(TimeDelta::minutes(60)).await;
    town.checkout(Some(&town.stranger()), None);
    town.minute().await;
    assert_eq!(asked(&town), 4);
    town.assert_clean(&CONFIRMATION);
}

/// Likewise: The sample: a token that is revoked is replaced at once.
#[tokio::test]
async fn a_revoked_token_is_replaced() {
    let mut town = TestEnvironment::usual().await;
    town.checkout(None, Some("before@example.org"));
    town.minute().await;
    town.environment.entra().revoke_all();
    town.checkout(None, Some("after@example.org"));
    town.minute().await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: the first page that holds an event makes the run fail.
#[tokio::test]
async fn a_page_with_events_is_read_to_its_end() {
    let mut town = TestEnvironment::usual().await;
    for _ in 0..3 {
        town.checkout(None, Some("page@example.org"));
    }
    town.pass(TimeDelta::seconds(25)).await;
    assert_eq!(town.records().await.len(), 6);
}

/// The sample: one operating unit number for all channels.
#[tokio::test]
async fn every_channel_is_asked_under_its_own_operating_unit() {
    let mut town = TestEnvironment::usual().await;
    let calls = Calls::default();
    town.environment.network().set_faults(Script::watching(&calls));
    for channel in &CHANNELS {
        town.checkout_in(channel.id, None, Some("traveller@example.org"));
        town.checkout_in(channel.id, None, Some("traveller@example.org"));
    }
    town.minute().await;
    town.assert_clean(&CONFIRMATION);
    assert_eq!(calls.to("GetOperatingUnitNumber"), CHANNELS.len(), "each is asked for once");
}

/// The sample: a message is gone before its workflow has run.
#[tokio::test]
async fn a_message_stays_until_its_journeys_have_started() {
    let mut town = TestEnvironment::usual().await;
    town.environment.served(Dependency::Dataverse).set_reachable(false);
    town.checkout(Some(&town.stranger()), None);
    town.pass(TimeDelta::minutes(30)).await;
    let counts = town.environment.counts();
    assert_eq!(
        counts.active + counts.locked + counts.scheduled,
        1,
        "the checkout's; nothing is to be done about a cart: {counts:?}"
    );
    assert_eq!(counts.dead_lettered, 0);
    town.environment.served(Dependency::Dataverse).set_reachable(true);
    town.pass(TimeDelta::minutes(16)).await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: two quick orders of a new customer create two contacts.
#[tokio::test]
async fn quick_orders_of_a_new_customer_make_one_contact() {
    let mut town = TestEnvironment::usual().await;
    let before = town.environment.dataverse().contacts().len();
    let customer = town.stranger();
    for _ in 0..8 {
        town.checkout(Some(&customer), None);
        town.checkout(None, Some("New.Guest@example.org"));
        town.checkout(None, Some("new.guest@EXAMPLE.org"));
    }
    town.minute().await;
    assert_eq!(town.environment.dataverse().contacts().len(), before + 2);
    town.assert_clean(&CONFIRMATION);
}

/// The sample: a quote in a customer's name breaks the request.
#[tokio::test]
async fn quotes_and_letters_of_the_world_reach_the_journey_as_they_are() {
    let mut town = TestEnvironment::usual().await;
    let model = town.shop().customer(&town.stranger()).unwrap();
    let customer = Customer {
        account: "Q'1".to_owned(),
        first_name: r#"Séamus "Jim" \"#.to_owned(),
        last_name: "O'Brien-Ωμέγα".to_owned(),
        email: "jim+o'b&x=1@example.org".to_owned(),
        receipt_email: String::new(),
        ..(*model).clone()
    };
    town.shop().register(customer.clone()).unwrap();
    town.checkout(Some("Q'1"), None);
    town.minute().await;
    let contact = town
        .environment
        .dataverse()
        .contacts()
        .into_iter()
        .find(|contact| contact.contact_number.as_deref() == Some("Q'1"));
    let contact = contact.expect("the contact was created");
    assert_eq!(contact.first_name, Some(customer.first_name));
    assert_eq!(contact.last_name, Some(customer.last_name));
    assert_eq!(contact.email, Some(customer.email));
    town.assert_clean(&CONFIRMATION);
}

/// The sample: a redelivered message triggers the journey again.
#[tokio::test]
async fn a_message_that_comes_twice_starts_its_journeys_once() {
    let mut town = TestEnvironment::usual().await;
    for _ in 0..5 {
        town.environment.broker().duplicate_next_send();
        town.checkout(Some(&town.stranger()), None);
        town.minute().await;
    }
    town.pass(TimeDelta::minutes(5)).await;
    town.assert_clean(&CONFIRMATION);
}

/// The sample: the party number gets the wrong field, with quotes in it, and an empty look-up fails the run.
#[tokio::test]
async fn a_new_contact_has_its_party_number_and_only_the_groups_that_exist() {
    let mut town = TestEnvironment::usual().await;
    let model = town.shop().customer(&town.stranger()).unwrap();
    let email = |name: &str| format!("{name}@example.org");
    let grouped =
        Customer { account: "G-1".to_owned(), email: email("g1"), receipt_email: String::new(), ..(*model).clone() };
    let groupless = Customer { account: "G-2".to_owned(), email: email("g2"), group: "NOSUCH", ..grouped.clone() };
    for customer in [&grouped, &groupless] {
        town.shop().register(customer.clone()).unwrap();
        town.checkout(Some(&customer.account), None);
    }
    town.minute().await;
    let contact = |number: &str| {
        town.environment
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
    town.assert_clean(&CONFIRMATION);
}

/// The sample: secrets in app settings: where a key is left out, the managed identity takes its place.
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
