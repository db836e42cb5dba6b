//! Runs after one another, and runs that only look.

use deltalake::DeltaTable;
use prepare_data::contacts::SyncError;
use url::Url;

use crate::environment::{Customer, TestEnvironment, contact};

#[tokio::test]
async fn a_second_run_asks_nothing_and_a_whole_one_writes_nothing() {
    let environment = TestEnvironment::usual().await;
    environment.gold(&Customer::many(120)).await;
    let first = environment.sync().await;
    // Three queries and three batches for 120 customers, and the company and the group.
    assert_eq!((first.created.count, first.requests), (120, 8));
    let contacts = environment.dataverse().contacts();
    let calls = environment.calls();
    let second = environment.sync().await;
    assert_eq!((second.looked_at, second.requests, environment.calls()), (0, 0, calls));
    let whole = environment.sync_with(|args| args.all = true).await.unwrap();
    assert_eq!((whole.equal, whole.looked_at), (120, 120));
    assert_eq!(environment.dataverse().contacts(), contacts);
}

#[tokio::test]
async fn only_customers_that_have_changed_are_looked_at() {
    let environment = TestEnvironment::usual().await;
    let mut customers = Customer::many(100);
    environment.gold(&customers).await;
    environment.sync().await;
    customers[40].first_name = Some("Else".to_owned());
    customers.push(Customer::new("NEW"));
    environment.gold(&customers).await;
    let report = environment.sync().await;
    assert_eq!((report.looked_at, report.updated.count, report.created.count), (2, 1, 1));
    assert_eq!(environment.contact(customers[40].contact_id()).first_name.as_deref(), Some("Else"));
}

#[tokio::test]
async fn a_dry_run_says_what_a_run_does_and_changes_nothing() {
    let environment = TestEnvironment::usual().await;
    environment.dataverse().add_contact(&contact(None, Some("n00001@example.org")));
    environment.dataverse().add_contact(&contact(Some("N00002"), None));
    environment.gold(&Customer::many(5)).await;
    let contacts = environment.dataverse().contacts();
    let dry = environment.sync_with(|args| args.dry_run = true).await.unwrap();
    assert_eq!(environment.dataverse().contacts(), contacts);
    assert!(!environment.lake.path().join("quality").exists());
    let documents = environment.environment.cosmos().documents().await.unwrap();
    assert!(documents.is_empty(), "{documents:?}");
    let wet = environment.sync().await;
    assert_eq!((dry.created.count, dry.linked.count, dry.updated.count), (3, 1, 1));
    assert_eq!((&dry.created, &dry.linked, &dry.updated), (&wet.created, &wet.linked, &wet.updated));
    assert_eq!(dry.columns, wet.columns);
    assert!(dry.dry_run && dry.to_string().contains("nothing was written"));
}

#[tokio::test]
async fn who_is_no_longer_a_customer_is_told_once_and_keeps_the_contact() {
    let environment = TestEnvironment::usual().await;
    let customers = Customer::many(3);
    environment.gold(&customers).await;
    environment.sync().await;
    environment.gold(&customers[1..]).await;
    let report = environment.sync().await;
    let gone = &report.vanished.examples[0];
    assert_eq!((report.vanished.count, gone.customer_id.as_str()), (1, "tst1-N00000"));
    assert_eq!(gone.contact_id, Some(customers[0].contact_id().to_string()));
    assert_eq!(environment.new_contacts(), 3);
    assert_eq!(environment.sync().await.vanished.count, 0);
    // And is looked at like a new one on coming back.
    environment.gold(&customers).await;
    let back = environment.sync().await;
    assert_eq!((back.looked_at, back.equal), (1, 1));
}

#[tokio::test]
async fn a_limited_run_is_gone_on_with() {
    let environment = TestEnvironment::usual().await;
    let mut customers = Customer::many(10);
    // Those who are left must not stand in the way of the others.
    customers[..4].iter_mut().for_each(|it| it.number = format!("{}{}", it.number, "9".repeat(200)));
    environment.gold(&customers).await;
    for expected in [0, 4, 2, 0] {
        let report = environment.sync_with(|args| args.limit = Some(4)).await.unwrap();
        assert_eq!(report.created.count, expected);
    }
    assert_eq!(environment.new_contacts(), 6);
}

#[tokio::test]
async fn the_state_table_stays_in_few_pieces_and_in_the_oldest_protocol() {
    let environment = TestEnvironment::usual().await;
    let customers = Customer::many(100);
    environment.gold(&customers).await;
    environment.sync_with(|args| args.batch = 5).await.unwrap();
    let location = Url::from_directory_path(environment.lake.path().join("quality/contacts")).unwrap();
    let table = DeltaTable::try_from_url(location).await.unwrap();
    assert_eq!(table.get_file_uris().unwrap().count(), 1);
    let snapshot = table.snapshot().unwrap();
    assert_eq!((snapshot.protocol().min_reader_version(), snapshot.protocol().min_writer_version()), (1, 2));
    assert_eq!(environment.sync().await.looked_at, 0);
}

#[tokio::test]
async fn what_cannot_be_right_ends_the_run_before_it_begins() {
    let environment = TestEnvironment::usual().await;
    let exit_code =
        |result: Result<_, SyncError>| result.map(|_: prepare_data::contacts::SyncReport| ()).unwrap_err().exit_code();
    let nothing_there = environment.sync_with(|_| {}).await;
    assert!(matches!(nothing_there, Err(SyncError::NoCustomers(_))), "{nothing_there:?}");
    assert_eq!(exit_code(nothing_there), 2);
    environment.gold(&Customer::many(2)).await;
    environment.sync().await;
    environment.gold(&[]).await;
    let emptied = environment.sync_with(|_| {}).await;
    assert!(matches!(emptied, Err(SyncError::EmptyGold)), "{emptied:?}");
    assert_eq!(environment.new_contacts(), 2);
}
