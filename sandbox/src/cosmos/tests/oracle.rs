//! Random histories of operations on this account and on the in-memory account of the SDK's team: the same statuses,
//! the same items and the same results.
//!
//! Where the two differ, the service's documentation decides. The differences, which the histories keep away from:
//!
//! - ids: theirs takes empty ids, long ones and ones with `/`; ours refuses them ("Resource naming");
//! - time to live: theirs ignores `ttl`; ours refuses invalid ones and lets items expire ("Time to live");
//! - patch: theirs ignores a condition; ours answers 412 ("Partial document update");
//! - strings in double quotes and `c["name"]`: theirs finds nothing; ours finds what they select ("Constants");
//! - a batch with an operation that has another id in its body: theirs refuses the batch; ours refuses the operation;
//! - charges: theirs follow a model of their own; ours follow the published table.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use azure_core::http::Request as SdkRequest;
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::account::{Account, Request};
use super::super::address::Resource;
use super::super::*;

const URL: &str = "http://127.0.0.1:1/";
const ITEMS: &str = "dbs/EventTrackingDB/colls/ProcessedEvents/docs";

const STATUSES: [&str; 3] = ["new", "processed", "failed"];

/// A version that an operation depends on.
#[derive(Clone, Copy, Debug)]
enum Guard {
    None,
    Current,
    Stale,
}

#[derive(Clone, Debug)]
enum Step {
    Create(u8, u8),
    Upsert(u8, u8, Guard),
    Replace(u8, u8, Guard),
    Read(u8, Guard),
    Delete(u8, Guard),
    Batch(u8, Vec<(Kind, u8, u8, Guard)>),
    Query(u8, usize),
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Create,
    Upsert,
    Replace,
    Read,
    Delete,
}

const QUERIES: [&str; 14] = [
    "SELECT * FROM c",
    "SELECT VALUE c.id FROM c WHERE c.n > 2",
    "SELECT c.id, c.n FROM c WHERE c.n IN (1, 3, 5) AND c.status = 'new'",
    "SELECT VALUE c.id FROM c WHERE NOT (c.n < 3) OR c.status != 'new'",
    "SELECT TOP 2 * FROM c WHERE c.n <= 4 ORDER BY c.n DESC",
    "SELECT c.id AS name FROM c WHERE c.n BETWEEN 1 AND 4 ORDER BY c.status, c.id",
    "SELECT VALUE c.status FROM c ORDER BY c.id OFFSET 1 LIMIT 2",
    "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(c.list, 2)",
    "SELECT VALUE c.id FROM c WHERE ARRAY_CONTAINS(@ids, c.id)",
    "SELECT VALUE c.nested.m FROM c WHERE IS_DEFINED(c.nested.m) AND c.nested.m = true",
    "SELECT VALUE c.id FROM c WHERE STARTSWITH(c.status, 'ne') AND CONTAINS(c.id, '1')",
    "SELECT VALUE c.id FROM c WHERE IS_NULL(c.maybe)",
    "SELECT VALUE COUNT(1) FROM c WHERE c.n >= @n",
    "SELECT VALUE {\"i\": c.id, \"l\": [c.n, c.list]} FROM c WHERE c.n = c.id OR c.n < @n",
];

/// An item of one of few ids in one of few partitions, with every type of value.
fn item(id: u8, seed: u8) -> Value {
    let (partition, name) = place(id);
    let mut item = json!({
        "id": name, "EventChannelId": partition, "n": seed % 7,
        "status": (STATUSES[usize::from(seed % 3)]), "list": [seed % 4, 2.5, "x"],
    });
    if seed.is_multiple_of(2) {
        item["maybe"] = Value::Null;
        item["nested"] = json!({ "m": seed.is_multiple_of(4) });
    }
    item
}

fn place(id: u8) -> (String, String) {
    (format!("channel {}", id % 3), format!("item {}", id / 3 % 4))
}

fn guard() -> impl Strategy<Value = Guard> {
    prop_oneof![3 => Just(Guard::None), 2 => Just(Guard::Current), 1 => Just(Guard::Stale)]
}

fn step() -> impl Strategy<Value = Step> {
    let kind =
        prop_oneof![Just(Kind::Create), Just(Kind::Upsert), Just(Kind::Replace), Just(Kind::Read), Just(Kind::Delete)];
    let batch = prop::collection::vec((kind, 0..12_u8, any::<u8>(), guard()), 1..5);
    prop_oneof![
        4 => (0..12_u8, any::<u8>()).prop_map(|(id, seed)| Step::Create(id, seed)),
        2 => (0..12_u8, any::<u8>(), guard()).prop_map(|(id, seed, guard)| Step::Upsert(id, seed, guard)),
        3 => (0..12_u8, any::<u8>(), guard()).prop_map(|(id, seed, guard)| Step::Replace(id, seed, guard)),
        2 => (0..12_u8, guard()).prop_map(|(id, guard)| Step::Read(id, guard)),
        1 => (0..12_u8, guard()).prop_map(|(id, guard)| Step::Delete(id, guard)),
        3 => (0..3_u8, batch).prop_map(|(partition, batch)| Step::Batch(partition, batch)),
        3 => (0..3_u8, 0..QUERIES.len()).prop_map(|(partition, query)| Step::Query(partition, query)),
    ]
}

/// A status and a body.
type Answer = (u16, Value);

trait Side {
    async fn send(&self, method: Method, path: &str, headers: &HeaderMap, body: String) -> Answer;
}

struct Theirs(InMemoryEmulatorHttpClient);

impl Theirs {
    fn new() -> Self {
        let region = VirtualRegion::new(REGION, URL.parse().unwrap());
        let config = VirtualAccountConfig::new(vec![region]).unwrap().with_consistency(ConsistencyLevel::Session);
        let memory = InMemoryEmulatorHttpClient::try_new(config).unwrap();
        let options = CosmosOptions::default();
        let partitions = ContainerConfig::new().with_partition_count(options.partition_count).build().unwrap();
        let key = options.partition_key.as_str().into();
        memory.store().create_database(&options.database);
        memory.store().create_container_with_config(&options.database, &options.container, key, partitions);
        Self(memory)
    }
}

impl Side for Theirs {
    async fn send(&self, method: Method, path: &str, headers: &HeaderMap, body: String) -> Answer {
        let mut request = SdkRequest::new(format!("{URL}{path}").parse().unwrap(), method.as_str().parse().unwrap());
        for (name, value) in headers {
            request.insert_header(name.as_str().to_owned(), value.to_str().unwrap().to_owned());
        }
        request.set_body(body);
        let reply = self.0.execute_request(&request).await.unwrap().try_into_raw_response().await.unwrap();
        let body: &[u8] = reply.body().as_ref();
        (reply.status().into(), serde_json::from_slice(body).unwrap_or_default())
    }
}

struct Ours(Account);

impl Side for Ours {
    async fn send(&self, method: Method, path: &str, headers: &HeaderMap, body: String) -> Answer {
        let resource = Resource::of_path(path);
        let body = body.into();
        let reply = self.0.handle(&Request { method: &method, resource: &resource, headers, body: &body });
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap_or_default())
    }
}

fn headers(list: &[(&'static str, String)]) -> HeaderMap {
    let header =
        |(name, value): &(&'static str, String)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    list.iter().map(header).collect()
}

fn partition_header(partition: &str) -> (&'static str, String) {
    ("x-ms-documentdb-partitionkey", json!([partition]).to_string())
}

async fn current(side: &impl Side, partition: &str, name: &str) -> String {
    let path = format!("{ITEMS}/{}", name.replace(' ', "%20"));
    let (_, item) = side.send(Method::GET, &path, &headers(&[partition_header(partition)]), String::new()).await;
    item["_etag"].as_str().unwrap_or("\"none\"").to_owned()
}

async fn version(side: &impl Side, (partition, name): (&str, &str), guard: Guard) -> Option<String> {
    match guard {
        Guard::None => None,
        Guard::Current => Some(current(side, partition, name).await),
        Guard::Stale => Some("\"stale\"".to_owned()),
    }
}

async fn take(side: &impl Side, step: &Step) -> Answer {
    match step {
        Step::Create(id, seed) => one(side, (Method::POST, *id), Some(*seed), Guard::None, None).await,
        Step::Upsert(id, seed, guard) => {
            one(side, (Method::POST, *id), Some(*seed), *guard, Some("x-ms-documentdb-is-upsert")).await
        }
        Step::Replace(id, seed, guard) => one(side, (Method::PUT, *id), Some(*seed), *guard, None).await,
        Step::Delete(id, guard) => one(side, (Method::DELETE, *id), None, *guard, None).await,
        Step::Read(id, guard) => one(side, (Method::GET, *id), None, *guard, None).await,
        Step::Batch(partition, operations) => batch(side, *partition, operations).await,
        Step::Query(partition, query) => {
            let (partition, _) = place(*partition);
            let body = json!({
                "query": QUERIES[*query],
                "parameters": [{ "name": "@ids", "value": ["item 1", "item 3"] }, { "name": "@n", "value": 2 }],
            });
            let list = [partition_header(&partition), ("x-ms-documentdb-isquery", "True".to_owned())];
            side.send(Method::POST, ITEMS, &headers(&list), body.to_string()).await
        }
    }
}

async fn one(
    side: &impl Side,
    (method, id): (Method, u8),
    seed: Option<u8>,
    guard: Guard,
    flag: Option<&'static str>,
) -> Answer {
    let (partition, name) = place(id);
    let mut list = vec![partition_header(&partition)];
    list.extend(flag.map(|flag| (flag, "True".to_owned())));
    if let Some(etag) = version(side, (&partition, &name), guard).await {
        list.push((if method == Method::GET { "if-none-match" } else { "if-match" }, etag));
    }
    let path = if method == Method::POST { ITEMS.to_owned() } else { format!("{ITEMS}/{}", name.replace(' ', "%20")) };
    let body = seed.map_or_else(String::new, |seed| item(id, seed).to_string());
    side.send(method, &path, &headers(&list), body).await
}

async fn batch(side: &impl Side, partition: u8, operations: &[(Kind, u8, u8, Guard)]) -> Answer {
    let mut body = Vec::new();
    let (partition_key, _) = place(partition);
    for (kind, id, seed, guard) in operations {
        // All ids of a batch lie in its partition.
        let item = item(id / 3 * 3 + partition, *seed);
        let name = item["id"].as_str().unwrap().to_owned();
        let mut operation = json!({ "operationType": format!("{kind:?}") });
        if matches!(kind, Kind::Replace | Kind::Read | Kind::Delete) {
            operation["id"] = name.as_str().into();
        }
        if matches!(kind, Kind::Create | Kind::Upsert | Kind::Replace) {
            operation["resourceBody"] = item;
        }
        let etag = version(side, (&partition_key, &name), *guard).await;
        if let (Some(etag), false) = (etag, matches!(kind, Kind::Create | Kind::Read)) {
            operation["ifMatch"] = etag.into();
        }
        body.push(operation);
    }
    let list = [
        partition_header(&partition_key),
        ("x-ms-cosmos-is-batch-request", "True".to_owned()),
        ("x-ms-cosmos-batch-atomic", "True".to_owned()),
    ];
    side.send(Method::POST, ITEMS, &headers(&list), json!(body).to_string()).await
}

/// Without what is different on every account: system properties, charges and the words of errors.
fn comparable(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                !name.starts_with('_') && !["message", "eTag", "requestCharge"].contains(&name.as_str())
            });
            fields.values_mut().for_each(|field| *field = comparable(field.take()));
        }
        Value::Array(list) => list.iter_mut().for_each(|element| *element = comparable(element.take())),
        _ => {}
    }
    value
}

async fn everything(side: &impl Side) -> Value {
    let (_, feed) =
        side.send(Method::GET, ITEMS, &headers(&[("x-ms-max-item-count", "1000".to_owned())]), String::new()).await;
    comparable(feed)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn histories_have_the_same_answers_on_both_accounts(history in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ours = Ours(Account::new(URL.to_owned(), CosmosOptions::default()).unwrap());
            let theirs = Theirs::new();
            for step in &history {
                let (ours, theirs) = (take(&ours, step).await, take(&theirs, step).await);
                prop_assert_eq!((ours.0, comparable(ours.1)), (theirs.0, comparable(theirs.1)), "{:?}", step);
            }
            prop_assert_eq!(everything(&ours).await, everything(&theirs).await);
            Ok(())
        })?;
    }
}
