//! The account as HTTP shows it, without any SDK.

use axum::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::super::*;
use crate::network::NoFaults;

const DATE: &str = "thu, 27 apr 2017 00:51:12 gmt";
const ITEMS: &str = "dbs/EventTrackingDB/colls/ProcessedEvents/docs";
const CONTAINER: &str = "dbs/EventTrackingDB/colls/ProcessedEvents";

/// A caller with the account key.
pub(super) struct Raw {
    pub(super) account: CosmosAccount,
    client: reqwest::Client,
}

/// A reply, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Raw {
    pub(super) async fn start(options: CosmosOptions) -> Self {
        let account = CosmosAccount::start(&Network::new(NoFaults::default()), None, options).await.unwrap();
        Self { account, client: reqwest::Client::new() }
    }

    /// Sends a request that is signed for a resource type and link.
    pub(super) async fn signed(
        &self,
        (method, path): (Method, &str),
        (kind, link): (&str, &str),
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let text = format!("{}\n{kind}\n{link}\n{DATE}\n\n", method.as_str().to_lowercase());
        let mut mac = Hmac::<Sha256>::new_from_slice(&STANDARD.decode(KEY).unwrap()).unwrap();
        mac.update(text.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let token = format!("type=master&ver=1.0&sig={signature}");
        let token = percent_encoding::utf8_percent_encode(&token, percent_encoding::NON_ALPHANUMERIC).to_string();
        let url = format!("{}{path}", self.account.url());
        let mut request = self.client.request(method, url).header("authorization", token).header("x-ms-date", DATE);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.body(body.to_owned()).send().await.unwrap();
        let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
        let body = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap_or_default();
        Answer { status, headers, body }
    }

    /// Posts to the items of the container.
    pub(super) async fn post(&self, headers: &[(&str, &str)], body: &Value) -> Answer {
        self.signed((Method::POST, ITEMS), ("docs", CONTAINER), headers, &body.to_string()).await
    }

    pub(super) async fn create(&self, item: Value) -> Answer {
        let key = json!([item["EventChannelId"]]).to_string();
        self.post(&[("x-ms-documentdb-partitionkey", &key)], &item).await
    }

    pub(super) async fn query(&self, text: &str, headers: &[(&str, &str)]) -> Answer {
        let mut all = vec![("x-ms-documentdb-isquery", "True"), ("x-ms-documentdb-query-enablecrosspartition", "True")];
        all.extend(headers);
        self.post(&all, &json!({ "query": text, "parameters": [] })).await
    }

    pub(super) async fn item(&self, method: Method, id: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut all = vec![("x-ms-documentdb-partitionkey", "[\"c1\"]")];
        all.extend(headers);
        let path = format!("{ITEMS}/{id}");
        self.signed((method, &path), ("docs", &path), &all, body).await
    }
}

pub(super) fn item(id: &str) -> Value {
    json!({ "id": id, "EventChannelId": "c1", "n": 1 })
}

#[tokio::test]
async fn the_account_describes_its_query_engine() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let account = raw.signed((Method::GET, ""), ("", ""), &[], "").await;
    assert_eq!(account.status, 200);
    let engine: Value = serde_json::from_str(account.body["queryEngineConfiguration"].as_str().unwrap()).unwrap();
    assert_eq!(engine["maxSqlQueryInputLength"], 262_144);
    assert_eq!(account.body["readableLocations"][0]["databaseAccountEndpoint"], raw.account.url());
}

#[tokio::test]
async fn resources_are_addressed_by_name_or_by_resource_id() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let created = raw.create(item("a")).await;
    let container = raw.signed((Method::GET, CONTAINER), ("colls", CONTAINER), &[], "").await;
    let (database_id, container_id) = ("AAAAAQ==", container.body["_rid"].as_str().unwrap().to_owned());
    let by_id = format!("dbs/{database_id}/colls/{container_id}");
    let lower = container_id.to_lowercase();
    let get = |path: String, kind: &'static str, link: String| {
        let raw = &raw;
        async move {
            let key = [("x-ms-documentdb-partitionkey", "[\"c1\"]")];
            raw.signed((Method::GET, &path), (kind, &link), &key, "").await
        }
    };
    assert_eq!(get(by_id.clone(), "colls", lower.clone()).await.body, container.body);
    let ranges = get(format!("{by_id}/pkranges"), "pkranges", lower.clone()).await;
    assert_eq!(ranges.body["PartitionKeyRanges"].as_array().unwrap().len(), 2);
    let item_id = created.body["_rid"].as_str().unwrap();
    let read = get(format!("{by_id}/docs/{item_id}"), "docs", item_id.to_lowercase()).await;
    assert_eq!((read.status, &read.body), (200, &created.body));
    // By name, only the whole path is a valid signature.
    assert_eq!(get(CONTAINER.to_owned(), "colls", "processedevents".to_owned()).await.status, 401);
}

#[tokio::test]
async fn both_kinds_of_quotes_find_items() {
    let raw = Raw::start(CosmosOptions::default()).await;
    raw.create(item("a")).await;
    for text in [r#"SELECT * FROM c WHERE c.id = "a""#, "SELECT * FROM c WHERE c['id'] = 'a' AND c[\"n\"] = 1"] {
        assert_eq!(raw.query(text, &[]).await.body["_count"], 1, "{text}");
    }
    let refused = raw.query("SELECT * FROM c WHERE c.id ~ 'a'", &[]).await;
    assert_eq!((refused.status, &refused.body["code"]), (400, &json!("BadRequest")));
    assert!(refused.body["message"].as_str().unwrap().contains("SC1001"), "{}", refused.body);
}

#[tokio::test]
async fn a_patch_whose_condition_is_not_met_changes_nothing() {
    let raw = Raw::start(CosmosOptions::default()).await;
    raw.create(item("a")).await;
    let patch = |condition: &str| {
        json!({ "condition": condition, "operations": [{ "op": "incr", "path": "/n", "value": 1 }] }).to_string()
    };
    let refused = raw.item(Method::PATCH, "a", &[], &patch("from c where c.n > 1")).await;
    assert_eq!(refused.status, 412);
    let patched = raw.item(Method::PATCH, "a", &[], &patch("from c where c.n = 1")).await;
    assert_eq!((patched.status, &patched.body["n"]), (200, &json!(2)));
    assert_eq!(raw.item(Method::PATCH, "a", &[], &patch("c.n = 1")).await.status, 400);
}

#[tokio::test]
async fn items_vanish_when_their_time_to_live_is_over() {
    let clock = Clock::simulated(chrono::DateTime::from_timestamp(1_760_000_000, 0).unwrap());
    let _held = clock.hold();
    let raw = Raw::start(CosmosOptions { clock: clock.clone(), ..CosmosOptions::default() }).await;
    let with_ttl = |id: &str, ttl: Value| json!({ "id": id, "EventChannelId": "c1", "ttl": ttl });
    for ttl in [json!(0), json!("x"), json!(-5)] {
        assert_eq!(raw.create(with_ttl("never", ttl)).await.status, 400);
    }
    for (id, ttl) in [("short", 60), ("long", 6000), ("forever", -1)] {
        assert_eq!(raw.create(with_ttl(id, json!(ttl))).await.status, 201);
    }
    clock.sleep_inside(std::time::Duration::from_secs(60)).await;
    assert_eq!(raw.item(Method::GET, "short", &[], "").await.status, 404);
    let left = raw.query("SELECT VALUE c.id FROM c WHERE IS_DEFINED(c.ttl)", &[]).await;
    assert_eq!(left.body["Documents"], json!(["forever", "long"]));
    assert_eq!(raw.create(with_ttl("short", json!(60))).await.status, 201);
}

#[tokio::test]
async fn ids_that_the_service_refuses_are_refused() {
    let raw = Raw::start(CosmosOptions::default()).await;
    for id in ["", "a/b", "a\\b", "a?b", "a#b", &"x".repeat(256)] {
        assert_eq!(raw.create(item(id)).await.status, 400, "{id}");
    }
    assert_eq!(raw.create(item(&"x".repeat(255))).await.status, 201);
    assert_eq!(raw.create(json!({ "EventChannelId": "c1" })).await.status, 400);
}

#[tokio::test]
async fn what_only_other_clients_send_is_refused_with_a_sentence() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let batch = [("x-ms-documentdb-partitionkey", "[\"c1\"]"), ("x-ms-cosmos-is-batch-request", "True")];
    let binary = raw.signed((Method::POST, ITEMS), ("docs", CONTAINER), &batch, "\u{1}HybridRow").await;
    let bulk = raw.post(&[batch[0], batch[1], ("x-ms-cosmos-batch-atomic", "False")], &json!([])).await;
    let path = format!("{CONTAINER}/operations/partitionkeydelete");
    let delete = raw.signed((Method::POST, &path), ("partitionkey", CONTAINER), &batch[..1], "").await;
    let changes = [("a-im", "Incremental Feed")];
    let feed = raw.signed((Method::GET, ITEMS), ("docs", CONTAINER), &changes, "").await;
    for (answer, word) in [(binary, "HybridRow"), (bulk, "bulk"), (delete, "one by one"), (feed, "change feed")] {
        assert_eq!(answer.status, 501, "{answer:?}");
        assert!(answer.body["message"].as_str().unwrap().contains(word), "{answer:?}");
    }
}

#[tokio::test]
async fn the_partition_key_is_required_and_checked() {
    let raw = Raw::start(CosmosOptions::default()).await;
    assert_eq!(raw.post(&[], &item("a")).await.status, 400);
    let other = raw.post(&[("x-ms-documentdb-partitionkey", "[\"c2\"]")], &item("a")).await;
    assert_eq!((other.status, other.header("x-ms-substatus")), (400, "1001"));
}

#[tokio::test]
async fn every_reply_has_a_charge_and_a_session() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let created = raw.create(item("a")).await;
    assert_eq!(created.header("x-ms-request-charge"), "4.95");
    let read = raw.item(Method::GET, "a", &[], "").await;
    assert_eq!(read.header("x-ms-request-charge"), "1.00");
    assert_eq!(read.header("x-ms-session-token"), created.header("x-ms-session-token"));
    let partition = read.header("x-ms-documentdb-partitionkeyrangeid");
    assert!(read.header("x-ms-session-token").starts_with(&format!("{partition}:")));
    assert_eq!(raw.item(Method::GET, "b", &[], "").await.header("x-ms-request-charge"), "1.00");
    let unchanged = raw.item(Method::GET, "a", &[("if-none-match", created.header("etag"))], "").await;
    assert_eq!(unchanged.status, 304);
}

#[tokio::test]
async fn queries_over_partitions_are_merged_by_the_client() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let text = "SELECT * FROM c ORDER BY c.n";
    let refused = raw.query(text, &[]).await;
    assert_eq!((refused.status, refused.header("x-ms-substatus")), (400, "1004"));
    let plan = raw.query(text, &[("x-ms-cosmos-is-query-plan-request", "True")]).await;
    let given: Value = serde_json::from_str(refused.body["additionalErrorInfo"].as_str().unwrap()).unwrap();
    assert_eq!(plan.body, given);
    assert_eq!(raw.query(text, &[("x-ms-documentdb-partitionkey", "[\"c1\"]")]).await.status, 200);
    assert_eq!(raw.query(text, &[("x-ms-documentdb-partitionkeyrangeid", "1")]).await.status, 200);
    assert_eq!(raw.query(text, &[("x-ms-documentdb-partitionkeyrangeid", "7")]).await.status, 410);
    let disabled = [("x-ms-documentdb-query-enablecrosspartition", "False")];
    let body = json!({ "query": "SELECT * FROM c" });
    assert_eq!(raw.post(&[("x-ms-documentdb-isquery", "True"), disabled[0]], &body).await.status, 400);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended() {
    let raw = Raw::start(CosmosOptions::default()).await;
    for n in 0..5 {
        raw.create(json!({ "id": format!("i{n}"), "EventChannelId": "c1", "n": n % 2 })).await;
    }
    for text in ["SELECT VALUE c.id FROM c", "SELECT VALUE c.id FROM c ORDER BY c.n DESC"] {
        let (mut ids, mut token) = (Vec::new(), String::new());
        loop {
            let headers = [
                ("x-ms-documentdb-partitionkey", "[\"c1\"]"),
                ("x-ms-max-item-count", "2"),
                ("x-ms-continuation", token.as_str()),
            ];
            let page = raw.query(text, &headers).await;
            ids.extend(page.body["Documents"].as_array().unwrap().clone());
            token = page.header("x-ms-continuation").to_owned();
            if token.is_empty() {
                break;
            }
        }
        let expected =
            if text.contains("DESC") { ["i3", "i1", "i4", "i2", "i0"] } else { ["i0", "i1", "i2", "i3", "i4"] };
        assert_eq!(ids, expected, "{text}");
    }
    assert_eq!(raw.query("SELECT * FROM c", &[("x-ms-continuation", "x")]).await.status, 400);
}

#[tokio::test]
async fn databases_and_containers_come_and_go() {
    let raw = Raw::start(CosmosOptions::default()).await;
    let database = json!({ "id": "other" }).to_string();
    assert_eq!(raw.signed((Method::POST, "dbs"), ("dbs", ""), &[], &database).await.status, 201);
    assert_eq!(raw.signed((Method::POST, "dbs"), ("dbs", ""), &[], &database).await.status, 409);
    let definition = json!({ "id": "things", "partitionKey": { "paths": ["/a/b"], "kind": "Hash" }, "defaultTtl": 60 });
    let path = "dbs/other/colls";
    let created = raw.signed((Method::POST, path), ("colls", "dbs/other"), &[], &definition.to_string()).await;
    assert_eq!((created.status, &created.body["defaultTtl"]), (201, &json!(60)));
    let listed = raw.signed((Method::GET, path), ("colls", "dbs/other"), &[], "").await;
    assert_eq!(listed.body["DocumentCollections"][0], created.body);
    let docs = "dbs/other/colls/things/docs";
    let key = [("x-ms-documentdb-partitionkey", "[\"x\"]")];
    let thing = json!({ "id": "t", "a": { "b": "x" } }).to_string();
    assert_eq!(raw.signed((Method::POST, docs), ("docs", "dbs/other/colls/things"), &key, &thing).await.status, 201);
    assert_eq!(raw.signed((Method::DELETE, "dbs/other"), ("dbs", "dbs/other"), &[], "").await.status, 204);
    let gone = raw.signed((Method::POST, docs), ("docs", "dbs/other/colls/things"), &key, &thing).await;
    assert_eq!((gone.status, gone.header("x-ms-substatus")), (404, "1003"));
}
