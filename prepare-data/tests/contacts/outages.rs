//! Dataverse throttles, loses answers, refuses, or is away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use prepare_data::contacts::{Reason, SyncError};
use sandbox::dataverse::{Dataverse, DataverseOptions, Limits};
use sandbox::network::{BoxFuture, Call, Dependency, ErrorReply, FaultAction, FaultInjector, NoFaults};
use uuid::Uuid;

use crate::environment::{Customer, TestEnvironment};

/// Injects a fault into the first batches of writes.
struct Batches {
    action: FaultAction,
    left: AtomicU64,
}

impl FaultInjector for Batches {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let one_less = |left: u64| left.checked_sub(1);
        let is_meant = call.path.ends_with("/$batch")
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok();
        let action = if is_meant { self.action.clone() } else { FaultAction::Serve };
        Box::pin(async move { action })
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept() {
    let limits = Limits { requests: 5, window: Duration::from_secs(60), ..Limits::default() };
    let environment = TestEnvironment::with(DataverseOptions { limits: Some(limits), ..Default::default() }).await;
    environment.gold(&Customer::many(300)).await;
    let began = environment.environment.clock().now();
    let report = environment.sync().await;
    assert_eq!((report.created.count, report.exit_code(), environment.new_contacts()), (300, 0, 300));
    // Fourteen requests at five a minute.
    assert!(environment.environment.clock().now() - began >= chrono::TimeDelta::seconds(120));
    // At most four at once are told to wait, and then nobody asks before the time has come.
    assert!((1..=16).contains(&report.pauses), "{}", report.pauses);
    assert_eq!(report.requests, 14 + report.pauses);
    assert_eq!(environment.calls(), report.requests);
}

#[tokio::test]
async fn a_share_leaves_room_for_others() {
    let limits = Limits { concurrent: 2, work: Duration::from_millis(1), ..Limits::default() };
    let environment = TestEnvironment::with(DataverseOptions { limits: Some(limits), ..Default::default() }).await;
    environment.gold(&Customer::many(300)).await;
    let began = environment.environment.clock().now();
    let report = environment.sync_with(|args| args.share = 50).await.unwrap();
    assert_eq!((report.created.count, report.pauses), (300, 0));
    // Half of 6,000 requests in five minutes: not more than ten a second.
    assert!(environment.environment.clock().now() - began >= chrono::TimeDelta::milliseconds(1300));
}

#[tokio::test]
async fn lost_answers_cost_neither_contacts_nor_counts() {
    for action in [
        FaultAction::ResetAfter,
        FaultAction::ResetBefore,
        FaultAction::TruncateReply,
        FaultAction::ReplaceReply(ErrorReply::bare(StatusCode::GATEWAY_TIMEOUT)),
    ] {
        let environment = TestEnvironment::usual().await;
        environment.gold(&Customer::many(60)).await;
        environment.environment.network().set_faults(Batches { action: action.clone(), left: 2.into() });
        let report = environment.sync().await;
        assert_eq!((report.created.count, report.equal, environment.new_contacts()), (60, 0, 60), "{action:?}");
    }
}

/// Somebody else changes a contact before each of the first batches arrives.
struct Rival {
    dataverse: Dataverse,
    contact: Uuid,
    left: AtomicU64,
}

impl FaultInjector for Rival {
    fn decide(&self, call: &Call) -> BoxFuture<FaultAction> {
        let one_less = |left: u64| left.checked_sub(1);
        if call.path.ends_with("/$batch")
            && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok()
        {
            assert!(self.dataverse.touch_contact(self.contact));
        }
        Box::pin(async { FaultAction::Serve })
    }
}

#[tokio::test]
async fn a_contact_that_changes_meanwhile_is_looked_at_again() {
    for (times, updated) in [(1, 1), (2, 1), (3, 0)] {
        let environment = TestEnvironment::usual().await;
        let mut customer = Customer::new("C1");
        environment.gold(std::slice::from_ref(&customer)).await;
        environment.sync().await;
        customer.first_name = Some("Else".to_owned());
        environment.gold(std::slice::from_ref(&customer)).await;
        let (dataverse, contact) = (environment.dataverse().clone(), customer.contact_id());
        environment.environment.network().set_faults(Rival { dataverse, contact, left: times.into() });
        let report = environment.sync().await;
        let left = report.left.get(&Reason::KeepsChanging).map_or(0, |kind| kind.count);
        assert_eq!((report.updated.count, left), (updated, 1 - updated), "{times}");
        // What was left is looked at again, although gold has not changed.
        assert_eq!(environment.sync().await.updated.count, 1 - updated);
        assert_eq!(environment.contact(contact).first_name, customer.first_name);
    }
}

#[tokio::test]
async fn an_outage_ends_the_run_and_the_next_goes_on() {
    let environment = TestEnvironment::usual().await;
    environment.gold(&Customer::many(10)).await;
    environment.environment.served(Dependency::Dataverse).set_reachable(false);
    let began = environment.environment.clock().now();
    let away = environment.sync_with(|_| {}).await.unwrap_err();
    assert!(matches!(away, SyncError::Unavailable(_)), "{away}");
    assert_eq!(away.exit_code(), 3);
    assert!(environment.environment.clock().now() - began >= chrono::TimeDelta::hours(1));
    environment.environment.served(Dependency::Dataverse).set_reachable(true);
    assert_eq!(environment.sync().await.created.count, 10);
}

#[tokio::test]
async fn a_missing_privilege_ends_the_run_at_once() {
    let environment = TestEnvironment::usual().await;
    environment.gold(&Customer::many(10)).await;
    environment.dataverse().revoke(Some("prvCreateContact"));
    let denied = environment.sync_with(|_| {}).await.unwrap_err();
    assert!(matches!(denied, SyncError::Dataverse(_)), "{denied}");
    assert_eq!((denied.exit_code(), environment.new_contacts()), (3, 0));
    assert!(environment.calls() < 10, "nothing was tried again");
}

#[tokio::test]
async fn a_choice_of_the_function_app_is_respected() {
    let environment = TestEnvironment::usual().await;
    let customer = Customer::new("C1");
    environment.gold(std::slice::from_ref(&customer)).await;
    // A run that dies between its choice and its write, and a customer who meanwhile got another address.
    environment.environment.network().set_faults(Batches { action: FaultAction::ResetBefore, left: u64::MAX.into() });
    assert!(environment.sync_with(|_| {}).await.is_err());
    environment.environment.network().set_faults(NoFaults::default());
    let nameless = environment.dataverse().add_contact(&crate::environment::contact(None, customer.email.as_deref()));
    let report = environment.sync().await;
    assert_eq!(report.left[&Reason::ChosenOtherwise].count, 1);
    assert_eq!(environment.contact(nameless).contact_number, None);
}
