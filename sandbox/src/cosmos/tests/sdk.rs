//! The account as the SDK for Rust uses it.

use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::StatusCode;
use azure_core::time::{Duration, OffsetDateTime};
use azure_data_cosmos::clients::ContainerClient;
use azure_data_cosmos::options::{
    BatchOptions, ContentResponseOnWrite, ItemWriteOptions, OperationOptionsBuilder, Precondition,
};
use azure_data_cosmos::{
    AccountReference, CosmosClient, CosmosRuntime, FeedScope, Query, RoutingStrategy, TransactionalBatch,
};
use futures::TryStreamExt as _;

use super::super::*;
use serde_json::{Value, json};

use crate::auth::TokenError;
use crate::network::NoFaults;

async fn account() -> CosmosAccount {
    CosmosAccount::start(&Network::new(NoFaults::default()), None, CosmosOptions::default()).await.unwrap()
}

async fn container(reference: AccountReference) -> azure_data_cosmos::Result<ContainerClient> {
    // The process-wide runtime would outlive the test's own Tokio runtime.
    let runtime = CosmosRuntime::builder().build().await?;
    let near = RoutingStrategy::ProximityTo(REGION.into());
    let client = CosmosClient::builder().with_runtime(runtime).build(reference, near).await?;
    client.database_client("EventTrackingDB").container_client("ProcessedEvents", None).await
}

async fn with_key(account: &CosmosAccount, key: &str) -> azure_data_cosmos::Result<ContainerClient> {
    let endpoint = account.url().parse().unwrap();
    container(AccountReference::with_authentication_key(endpoint, Secret::from(key.to_owned()))).await
}

async fn events(account: &CosmosAccount) -> ContainerClient {
    with_key(account, account.key()).await.unwrap()
}

fn record(id: &str, channel: &str, status: &str) -> Value {
    json!({ "id": id, "EventChannelId": channel, "status": status })
}

fn with_bodies() -> Option<BatchOptions> {
    let options =
        OperationOptionsBuilder::new().with_content_response_on_write(ContentResponseOnWrite::Enabled).build();
    Some(BatchOptions::default().with_operation_options(options))
}

#[tokio::test]
async fn items_expire_as_they_are_named() {
    let account = account().await;
    let events = events(&account).await;
    for (id, channel, status) in [("a 1", "c1", "processed"), ("b", "c1", "new"), ("c", "c2", "processed")] {
        events.create_item(channel, id, record(id, channel, status), None).await.unwrap();
    }
    assert_eq!(account.expire(|item| item["status"] == "processed").await.unwrap(), 2);
    let left = account.documents().await.unwrap();
    assert_eq!(left.iter().map(|item| &item["id"]).collect::<Vec<_>>(), ["b"]);
}

#[tokio::test]
async fn an_item_is_created_once() {
    let account = account().await;
    let events = events(&account).await;
    events.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap();
    let again = events.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap_err();
    assert_eq!(again.status().status_code(), StatusCode::Conflict);
    let read: Value = events.read_item("c1", "a", None).await.unwrap().into_model().unwrap();
    assert_eq!(read["status"], "new");
    let absent = events.read_item("c1", "b", None).await.unwrap_err();
    assert_eq!(absent.status().status_code(), StatusCode::NotFound);
}

#[tokio::test]
async fn accepted_writes_are_told_and_refused_ones_are_not() {
    let account = account().await;
    let events = events(&account).await;
    let mut changes = account.changes();
    events.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap();
    events.create_item("c1", "a", record("a", "c1", "processing"), None).await.unwrap_err();
    events.replace_item("c1", "a", record("a", "c1", "processed"), None).await.unwrap();
    for status in ["new", "processed"] {
        assert_eq!(changes.recv().await.unwrap().item["status"], status);
    }
    assert!(changes.is_empty());
}

#[tokio::test]
async fn a_stale_etag_replaces_nothing() {
    let account = account().await;
    let events = events(&account).await;
    let created = events.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap();
    let etag = created.headers().etag().unwrap().clone();
    let guarded = || Some(ItemWriteOptions::default().with_precondition(Precondition::if_match(etag.clone())));
    events.replace_item("c1", "a", record("a", "c1", "processing"), guarded()).await.unwrap();
    let stale = events.replace_item("c1", "a", record("a", "c1", "failed"), guarded()).await.unwrap_err();
    assert_eq!(stale.status().status_code(), StatusCode::PreconditionFailed);
    let documents = account.documents().await.unwrap();
    assert_eq!(documents.len(), 1);
    assert_eq!(documents[0]["status"], "processing");
}

#[tokio::test]
async fn a_query_orders_across_partitions() {
    let account = account().await;
    let events = events(&account).await;
    for n in 0..20 {
        let channel = format!("channel {}", n % 7);
        let id = format!("e{n:02}");
        events.create_item(channel.clone(), &id, record(&id, &channel, "new"), None).await.unwrap();
    }
    let query = Query::from("SELECT VALUE c.id FROM c WHERE c.status = 'new' ORDER BY c.id");
    let ids: Vec<String> =
        events.query_items(query, FeedScope::full_container(), None).await.unwrap().try_collect().await.unwrap();
    assert_eq!(ids, (0..20).map(|n| format!("e{n:02}")).collect::<Vec<_>>());
    assert_eq!(account.documents().await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_batch_says_what_became_of_each_operation() {
    let account = account().await;
    let events = events(&account).await;
    events.create_item("c1", "b", record("b", "c1", "new"), None).await.unwrap();
    let batch = TransactionalBatch::new("c1")
        .create_item(record("a", "c1", "new"))
        .unwrap()
        .create_item(record("b", "c1", "new"))
        .unwrap()
        .create_item(record("c", "c1", "new"))
        .unwrap();
    let reply = events.execute_transactional_batch(batch, None).await.unwrap();
    assert_eq!(u16::from(reply.status().status_code()), 207);
    let statuses: Vec<_> = reply.into_model().unwrap().results().iter().map(|result| result.status_code()).collect();
    assert_eq!(statuses, [424, 409, 424]);
    assert_eq!(account.documents().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_reads_what_it_wrote() {
    let account = account().await;
    let events = events(&account).await;
    let batch = TransactionalBatch::new("c1").create_item(record("a", "c1", "new")).unwrap().read_item("a", None);
    let reply = events.execute_transactional_batch(batch, with_bodies()).await.unwrap().into_model().unwrap();
    let [created, read] = reply.results() else { panic!("two operations have two results") };
    assert_eq!(created.status_code(), 201);
    let body: Value = read.into_model().unwrap().unwrap();
    assert_eq!(body["status"], "new");
    assert_eq!(body["_etag"].as_str(), created.etag());
    let usage = account.usage();
    assert_eq!(usage.requests["batch"], 1);
    assert_eq!((usage.in_batches["create"], usage.in_batches["read"]), (1, 1));
    assert!(usage.charge > 0.0);
}

#[tokio::test]
async fn a_wrong_key_opens_nothing() {
    let account = account().await;
    let refused = with_key(&account, "bm90IHRoaXMga2V5").await.err().unwrap();
    assert_eq!(refused.status().status_code(), StatusCode::Unauthorized);
    assert!(account.usage().refused > 0);
}

/// Hands out one token and knows no other.
#[derive(Debug)]
struct Token(&'static str);

#[async_trait::async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        Ok(AccessToken::new(self.0.to_owned(), OffsetDateTime::now_utc() + Duration::hours(1)))
    }
}

impl TokenCheck for Token {
    fn check(&self, authorization: Option<&str>) -> Result<(), TokenError> {
        let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
        if token == Some(self.0) { Ok(()) } else { Err(TokenError::Forged) }
    }
}

#[tokio::test]
async fn an_entra_token_opens_the_account() {
    let options = CosmosOptions { tokens: Arc::new(Token("good")), ..CosmosOptions::default() };
    let account = CosmosAccount::start(&Network::new(NoFaults::default()), None, options).await.unwrap();
    let with = |token| AccountReference::with_credential(account.url().parse().unwrap(), Arc::new(Token(token)));
    let events = container(with("good")).await.unwrap();
    events.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap();
    let refused = container(with("bad")).await.err().unwrap();
    assert_eq!(refused.status().status_code(), StatusCode::Unauthorized);
}

#[tokio::test]
async fn roles_of_the_data_plane_bind_tokens_and_not_keys() {
    let options = CosmosOptions { tokens: Arc::new(Token("good")), ..CosmosOptions::default() };
    let account = CosmosAccount::start(&Network::new(NoFaults::default()), None, options).await.unwrap();
    let by_token =
        container(AccountReference::with_credential(account.url().parse().unwrap(), Arc::new(Token("good"))));
    let (by_token, by_key) = (by_token.await.unwrap(), events(&account).await);
    account.set_role(Role::Reader);
    assert!(by_token.read_item("c1", "a", None).await.err().unwrap().status().is_not_found());
    let refused = by_token.create_item("c1", "a", record("a", "c1", "new"), None).await.err().unwrap();
    assert_eq!(refused.status().status_code(), StatusCode::Forbidden);
    account.set_role(Role::None);
    let refused = by_token.read_item("c1", "a", None).await.err().unwrap();
    assert_eq!(refused.status().status_code(), StatusCode::Forbidden);
    by_key.create_item("c1", "a", record("a", "c1", "new"), None).await.unwrap();
}

#[tokio::test]
async fn the_container_says_that_items_can_expire() {
    let account = account().await;
    let properties = events(&account).await.read(None).await.unwrap().into_model().unwrap();
    assert_eq!(properties.default_ttl, azure_data_cosmos::models::TimeToLive::NoDefault);
}

fn outcome(state: &str) -> Value {
    json!({
        "id": "e1", "EventChannelId": "c1", "status": "processing", "EventTransactionId": "T1",
        "EventType": "Checkout", "EventDateTime": "2024-07-24T14:17:02.16Z",
        "journeys": { "order-confirmation": { "state": state }, "feedback-request": { "state": "waiting" } }
    })
}

fn recorded(account: &CosmosAccount) -> Vec<(String, String)> {
    account.journal().into_iter().map(|recorded| (recorded.transaction_id, recorded.journey)).collect()
}

#[tokio::test]
async fn the_journal_knows_what_accepted_batches_say() {
    let account = account().await;
    let events = events(&account).await;
    let create = TransactionalBatch::new("c1").create_item(outcome("waiting")).unwrap();
    events.execute_transactional_batch(create, None).await.unwrap();
    let spoiled = TransactionalBatch::new("c1")
        .replace_item("e1", outcome("started"), None)
        .unwrap()
        .create_item(outcome("started"))
        .unwrap();
    let reply = events.execute_transactional_batch(spoiled, None).await.unwrap();
    assert_eq!(u16::from(reply.status().status_code()), 207);
    assert_eq!(recorded(&account), []);
    for _ in 0..2 {
        let replace = TransactionalBatch::new("c1").replace_item("e1", outcome("started"), None).unwrap();
        events.execute_transactional_batch(replace, None).await.unwrap();
    }
    assert_eq!(recorded(&account), [("T1".to_owned(), "order-confirmation".to_owned())]);
    assert!(account.journal()[0].at <= Clock::real().now());
}

#[tokio::test]
async fn the_journal_reads_single_writes_in_any_encoding() {
    let account = account().await;
    let events = events(&account).await;
    events.create_item("c1", "e1", outcome("waiting"), None).await.unwrap();
    assert_eq!(recorded(&account), []);
    events.replace_item("c1", "e1", outcome("started"), None).await.unwrap();
    assert_eq!(recorded(&account), [("T1".to_owned(), "order-confirmation".to_owned())]);
    let mut other = outcome("started");
    other["id"] = json!("e2");
    other["EventTransactionId"] = json!("T2");
    events.create_item("c1", "e2", other, None).await.unwrap();
    assert_eq!(recorded(&account).len(), 2);
}

#[tokio::test]
async fn a_rival_makes_versions_stale_and_changes_nothing() {
    let account = account().await;
    let events = events(&account).await;
    assert!(!account.concurrent_writer().rewrite_some(7).await.unwrap());
    let create = TransactionalBatch::new("c1").create_item(outcome("waiting")).unwrap();
    events.execute_transactional_batch(create, None).await.unwrap();
    let before = account.documents().await.unwrap().remove(0);
    assert!(account.concurrent_writer().rewrite_some(7).await.unwrap());
    let after = account.documents().await.unwrap().remove(0);
    assert_ne!(before["_etag"], after["_etag"]);
    assert_eq!(before["journeys"], after["journeys"]);
    let etag = before["_etag"].as_str().unwrap().to_owned();
    let guarded = Some(ItemWriteOptions::default().with_precondition(Precondition::if_match(etag)));
    let stale = events.replace_item("c1", "e1", outcome("started"), guarded).await.unwrap_err();
    assert_eq!(stale.status().status_code(), StatusCode::PreconditionFailed);
}
