//! `oncePer`: journeys that start once in a period.

use sandbox::audit::Journey;
use sandbox::dataverse::Contact;
use sandbox::network::Dependency;
use serde_json::{Value, json};

use super::{is_skipped, journeys, minutes, waiting};
use crate::environment::{Plan, TestEnvironment};

/// An invitation, at most once in three hours for each customer.
fn invitations() -> Plan {
    waiting(journeys(&[("loyalty-invitation", json!({"oncePer": {"customer": "03:00:00"}, "conditions": []}))]))
}

async fn sell(test: &mut TestEnvironment, customer: Option<&str>, email: Option<&str>) -> Value {
    let sale = test.checkout(customer, email);
    test.pass(minutes(2)).await;
    test.record(&sale).await
}

#[tokio::test]
async fn a_customer_is_invited_once_in_the_period() {
    let mut test = invitations().open().await;
    let customer = test.stranger();
    sell(&mut test, Some(&customer), None).await;
    assert_eq!(test.started(), 1);
    let calls = test.environment.network().calls()[&Dependency::Dataverse];
    let record = sell(&mut test, Some(&customer), None).await;
    assert!(is_skipped(&record, Journey::LoyaltyInvitation, "frequencyCapped"), "{record:#}");
    assert_eq!(test.environment.network().calls()[&Dependency::Dataverse], calls);
    sell(&mut test, None, Some("guest@example.org")).await;
    sell(&mut test, None, Some("Guest@example.org")).await;
    assert_eq!(test.started(), 2, "a guest is known by the address");
    test.pass(minutes(180)).await;
    sell(&mut test, Some(&customer), None).await;
    assert_eq!(test.started(), 3, "the period has ended");
}

#[tokio::test]
async fn two_sales_of_one_customer_at_the_same_time_lead_to_one_invitation() {
    let mut test = invitations().open().await;
    let customer = test.stranger();
    for _ in 0..6 {
        test.checkout(Some(&customer), None);
    }
    test.pass(minutes(5)).await;
    assert_eq!(test.started(), 1);
    assert!(test.records().await.values().all(|record| record["status"] == "processed"));
}

#[tokio::test]
async fn a_redelivery_recognises_that_its_own_event_starts_the_journey() {
    let mut test = invitations().open().await;
    let customer = test.stranger();
    test.environment.dataverse().set_published(Journey::LoyaltyInvitation.trigger(), false);
    let sale = test.checkout(Some(&customer), None);
    test.pass(minutes(10)).await;
    test.environment.dataverse().set_published(Journey::LoyaltyInvitation.trigger(), true);
    test.pass(minutes(20)).await;
    let record = test.record(&sale).await;
    assert_eq!((test.started(), &record["status"]), (1, &json!("processed")), "{record:#}");
}

#[tokio::test]
async fn a_customer_without_a_usable_contact_uses_up_no_period() {
    let mut test = invitations().open().await;
    let customer = test.stranger();
    let contact = Contact { inactive: true, contact_number: Some(customer.clone()), ..Contact::default() };
    test.environment.dataverse().add_contact(&contact);
    let record = sell(&mut test, Some(&customer), None).await;
    assert!(is_skipped(&record, Journey::LoyaltyInvitation, "contactInactive"), "{record:#}");
    let markers = test.environment.cosmos().documents().await.unwrap();
    let is_own = |document: &&Value| document["owner"] == record["id"];
    assert_eq!(markers.iter().filter(is_own).count(), 0);
}

#[tokio::test]
async fn a_purchase_in_another_channel_precludes_what_is_for_the_same_customer() {
    let unless = json!({"eventTypes": ["Checkout"], "same": "customer"});
    let mut test = waiting(journeys(&[("abandoned-cart", json!({"unless": unless}))])).open().await;
    let customer = test.stranger();
    test.checkout(Some(&customer), None);
    test.pass(minutes(5)).await;
    let cart = test.open_cart_of(&customer);
    test.pass(minutes(30)).await;
    let other = sandbox::shop::CHANNELS.iter().find(|it| it.data_area == cart.data_area_id && it.id != cart.channel_id);
    let later = test.open_cart_of(&customer);
    test.checkout_in(other.unwrap().id, Some(&customer), None);
    test.pass(minutes(5)).await;
    let last = test.open_cart_of(&customer);
    test.pass(minutes(70)).await;
    for cart in [&cart, &later] {
        let record = test.exact(cart).await;
        assert!(is_skipped(&record, Journey::AbandonedCart, "precluded"), "{record:#}");
    }
    // An earlier purchase says nothing about a later cart.
    assert_eq!(test.exact(&last).await["journeys"]["abandoned-cart"]["state"], "started");
    assert_eq!(test.started(), 1);
}
