//! The shipped reminder of abandoned carts.

use reqwest::StatusCode;
use sandbox::audit::Journey;
use sandbox::network::{Call, Dependency, ErrorReply, FaultAction, NoFaults};

use super::{CART, answer_carts, is_skipped, minutes, outcome, reminders};
use crate::environment::TestEnvironment;
use crate::script::{Calls, Script};

/// The requests to Dataverse since this call.
async fn without_dataverse(test: &mut TestEnvironment, pass: chrono::TimeDelta) -> bool {
    let calls = |test: &TestEnvironment| test.environment.network().calls()[&Dependency::Dataverse];
    let before = calls(test);
    test.pass(pass).await;
    calls(test) == before
}

#[tokio::test]
async fn a_cart_that_nobody_changes_or_buys_has_one_reminder_an_hour_after_its_last_change() {
    let mut test = reminders().open().await;
    let first = test.open_cart();
    test.pass(minutes(40)).await;
    let last = test.add(&first.transaction_id);
    test.pass(minutes(58)).await;
    assert_eq!(test.started(), 0, "it waits anew after each change");
    assert!(is_skipped(&test.exact(&first).await, Journey::AbandonedCart, "superseded"));
    let record = test.exact(&last).await;
    assert_eq!((record["status"].as_str(), record["publications"].as_u64()), (Some("processing"), Some(1)));
    let until = &outcome(&record, Journey::AbandonedCart)["until"];
    assert!(until.is_string() && *until == record["scheduledFor"], "{record:#}");
    test.pass(minutes(4)).await;
    assert_eq!(test.started(), 1);
    test.assert_clean(&CART);
    let record = test.exact(&last).await;
    assert!(record["status"] == "processed" && record.get("scheduledFor").is_none(), "{record:#}");
    let audit = test.environment.audit(&CART, &[]);
    assert!(audit.latency.unwrap().max_ms < 60_000, "the wait is no delay: {audit:#?}");
}

#[tokio::test]
async fn a_cart_that_is_bought_before_the_hour_has_no_reminder_and_costs_no_request_to_dataverse() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(55)).await;
    test.buy(&cart);
    assert!(without_dataverse(&mut test, minutes(10)).await);
    let record = test.exact(&cart).await;
    assert!(is_skipped(&record, Journey::AbandonedCart, "precluded"), "{record:#}");
    test.assert_clean(&CART);
}

#[tokio::test]
async fn a_purchase_counts_if_it_has_a_record_when_the_reminder_is_due() {
    for (known, reminders_sent) in [(true, 0), (false, 1)] {
        let mut test = reminders().open().await;
        // The last poll is 20 seconds before the reminder is due.
        test.pass(chrono::TimeDelta::seconds(20)).await;
        let cart = test.open_cart();
        test.pass(minutes(59)).await;
        test.pass(chrono::TimeDelta::seconds(if known { 30 } else { 50 })).await;
        test.buy(&cart);
        test.pass(minutes(5)).await;
        assert_eq!(test.started(), reminders_sent);
        test.assert_clean(&CART);
    }
}

#[tokio::test]
async fn a_purchase_during_an_outage_of_the_event_store_is_known_before_the_cart_is() {
    let mut test = reminders().open().await;
    test.minute().await;
    test.environment.served(Dependency::Commerce).set_reachable(false);
    let cart = test.open_cart();
    test.pass(minutes(30)).await;
    test.buy(&cart);
    test.pass(minutes(60)).await;
    test.environment.served(Dependency::Commerce).set_reachable(true);
    test.pass(minutes(20)).await;
    assert_eq!(test.started(), 0);
    assert!(is_skipped(&test.exact(&cart).await, Journey::AbandonedCart, "precluded"));
}

#[tokio::test]
async fn the_reminder_has_the_contents_of_the_cart_as_it_was_left() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.add(&cart.transaction_id);
    test.pass(minutes(30)).await;
    // Nothing is written for that.
    test.shop().remove_from_cart(&cart.transaction_id).unwrap();
    test.pass(minutes(33)).await;
    let started = test.environment.dataverse().started();
    assert_eq!(
        started.iter().map(|it| it.as_written("msdynmkt_itemcount")).collect::<Vec<_>>(),
        [Some("1.0".to_owned())]
    );
    test.assert_clean(&CART);
}

#[tokio::test]
async fn an_emptied_or_vanished_cart_has_no_reminder() {
    let mut test = reminders().open().await;
    let (emptied, vanished) = (test.open_cart(), test.open_cart());
    test.pass(minutes(30)).await;
    test.shop().remove_from_cart(&emptied.transaction_id).unwrap();
    test.shop().lose_cart(&vanished.transaction_id);
    assert!(without_dataverse(&mut test, minutes(33)).await);
    for cart in [emptied, vanished] {
        let record = test.exact(&cart).await;
        assert!(is_skipped(&record, Journey::AbandonedCart, "conditionNotMet"), "{record:#}");
    }
}

#[tokio::test]
async fn a_cart_whose_read_is_refused_when_it_is_due_has_no_reminder_and_its_record_says_why() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(55)).await;
    answer_carts(&test, StatusCode::CONFLICT);
    assert!(without_dataverse(&mut test, minutes(10)).await);
    let record = test.exact(&cart).await;
    assert!(is_skipped(&record, Journey::AbandonedCart, "conditionNotMet"), "{record:#}");
    assert_eq!(record["reason"]["code"], "cartNotRead", "{record:#}");
}

#[tokio::test]
async fn a_cart_that_cannot_be_read_when_it_is_due_is_retried() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(55)).await;
    answer_carts(&test, StatusCode::SERVICE_UNAVAILABLE);
    test.pass(minutes(10)).await;
    let record = test.exact(&cart).await;
    assert_eq!((test.started(), &record["reason"]["code"]), (0, &"commerceUnavailable".into()), "{record:#}");
    test.environment.network().set_faults(NoFaults::default());
    test.pass(minutes(20)).await;
    assert_eq!(test.started(), 1);
    test.assert_clean(&CART);
}

#[tokio::test]
async fn a_cart_has_one_reminder_although_it_is_changed_again_later() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(70)).await;
    let later = test.add(&cart.transaction_id);
    assert!(without_dataverse(&mut test, minutes(70)).await);
    let record = test.exact(&later).await;
    assert!(is_skipped(&record, Journey::AbandonedCart, "frequencyCapped"), "{record:#}");
    test.assert_clean(&CART);
}

#[tokio::test]
async fn a_change_that_becomes_known_late_causes_no_second_reminder() {
    let mut test = reminders().open().await;
    let cart = test.open_cart();
    test.pass(minutes(30)).await;
    test.shop().set_commit_delay(minutes(40));
    let late = test.add(&cart.transaction_id);
    test.shop().set_commit_delay(chrono::TimeDelta::zero());
    test.pass(minutes(120)).await;
    // The cart is read again, so that the reminder has the late line.
    test.assert_clean(&CART);
    let number = test.started();
    assert!(number == 1, "{number} reminders: {:#}", test.exact(&late).await);
}

#[tokio::test]
async fn scheduled_messages_are_not_taken_for_lost_ones_and_a_lost_one_is_published_again() {
    let plan = super::waiting(super::journeys(&[
        ("abandoned-cart", serde_json::json!({})),
        ("order-confirmation", serde_json::json!({})),
    ]));
    let mut test = plan.open().await;
    let cart = test.open_cart();
    let lose = |call: &Call| match call.dependency == Dependency::ServiceBus && call.path.ends_with("/messages") {
        true => FaultAction::Refuse(ErrorReply::bare(StatusCode::CREATED)),
        false => FaultAction::Serve,
    };
    test.pass(minutes(2)).await;
    test.environment.network().set_faults(Script::new(&Calls::default(), lose));
    let lost = test.open_cart();
    test.pass(minutes(2)).await;
    test.environment.network().set_faults(NoFaults::default());
    for minute in 0..10 {
        test.checkout(None, Some(&format!("guest{minute}@example.org")));
        test.pass(minutes(10)).await;
    }
    let publications = async |cart| test.exact(cart).await["publications"].as_u64();
    assert_eq!((publications(&cart).await, publications(&lost).await), (Some(1), Some(2)));
    test.pass(minutes(60)).await;
    test.assert_clean(&[Journey::OrderConfirmation, Journey::AbandonedCart]);
}
