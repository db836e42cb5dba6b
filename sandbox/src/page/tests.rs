use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HOST, ORIGIN};
use serde_json::{Value, json};

use super::*;
use crate::clock::Clock;
use crate::environment::EnvironmentOptions;
use crate::network::Dependency;
use crate::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};

/// A client of a page whose environment has no function app.
struct TestClient {
    environment: Arc<Environment>,
    page: Page,
    http: reqwest::Client,
}

impl TestClient {
    async fn new() -> Self {
        let environment = Arc::new(Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap());
        let options =
            PageOptions { environment: environment.clone(), apps: &[], enabled: &Journey::ALL, port: Some(0) };
        let page = Page::open(options).await.unwrap();
        Self { environment, page, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.page.url())
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let reply = self.http.post(self.url(path)).json(body).send().await.unwrap();
        (reply.status().as_u16(), reply.json().await.unwrap())
    }

    async fn sell(&self) -> usize {
        self.sell_in("online").await
    }

    async fn sell_in(&self, place: &str) -> usize {
        let visit = json!({"who": "guest", "email": true, "loyaltyCard": false, "place": place, "outcome": "checkout"});
        let (status, answer) = self.post("api/shop", &visit).await;
        assert_eq!(status, 201, "{answer}");
        let events = answer["events"].as_array().unwrap();
        usize::try_from(events.last().unwrap().as_u64().unwrap()).unwrap()
    }

    /// A stream that continues after the frame `last`.
    async fn stream(&self, last: Option<&str>) -> Frames {
        let mut request = self.http.get(self.url("api/stream"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Frames { reply: request.send().await.unwrap(), text: String::new() }
    }
}

/// The frames of a stream, each with its id.
struct Frames {
    reply: reqwest::Response,
    text: String,
}

impl Frames {
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let found = field("id: ").zip(field("data: "));
                let found = found.map(|(id, data)| (id.to_owned(), serde_json::from_str(data).unwrap()));
                self.text = rest.to_owned();
                if let Some(found) = found {
                    return found;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.reply.chunk()).await;
            self.text.push_str(std::str::from_utf8(&chunk.expect("a frame arrives").unwrap().unwrap()).unwrap());
        }
    }

    /// Reads until a frame contains the event. Returns the frame's id and the event's row.
    async fn until_event(&mut self, number: usize) -> (String, Value) {
        loop {
            let (id, frame) = self.next().await;
            let row = frame["events"].as_array().unwrap().iter().find(|row| row["number"] == number).cloned();
            if let Some(row) = row {
                return (id, row);
            }
        }
    }
}

fn numbers(frame: &Value) -> Vec<u64> {
    frame["events"].as_array().unwrap().iter().map(|row| row["number"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn the_stream_begins_with_everything_and_continues_with_changes() {
    let client = TestClient::new().await;
    let first = client.sell().await;
    let mut frames = client.stream(None).await;
    let (_, whole) = frames.next().await;
    assert_eq!((&whole["whole"], numbers(&whole)), (&json!(true), vec![1, 2]));
    let second = client.sell().await;
    let (_, row) = frames.until_event(second).await;
    assert_eq!((&row["type"], &row["status"], &row["guest"]), (&json!("Checkout"), &json!("notPolled"), &json!(true)));
    assert_eq!(second, first + 2);
}

#[tokio::test]
async fn a_browser_that_reconnects_receives_only_what_it_missed() {
    let client = TestClient::new().await;
    let first = client.sell().await;
    let mut frames = client.stream(None).await;
    let (seen, _) = frames.until_event(first).await;
    // The stream is closed after the event was received.
    drop(frames);
    let second = client.sell().await;
    let mut frames = client.stream(Some(&seen)).await;
    let mut missed = Vec::new();
    while !missed.contains(&(second as u64)) {
        let (_, frame) = frames.next().await;
        assert_eq!(frame["whole"], false);
        missed.extend(numbers(&frame));
    }
    let (last, _) = frames.next_without_events(&client).await;
    let mut nothing = client.stream(Some(&last)).await;
    assert_eq!(numbers(&nothing.next().await.1), Vec::<u64>::new());
}

impl Frames {
    /// The frame after a change that does not affect any event.
    async fn next_without_events(&mut self, client: &TestClient) -> (String, Value) {
        client.post("api/faults", &json!({"dependency": "entra", "availability": "slow"})).await;
        loop {
            let (id, frame) = self.next().await;
            if frame["flow"]["dependencies"]["entra"]["availability"] == "slow" {
                return (id, frame);
            }
        }
    }
}

#[tokio::test]
async fn a_browser_from_another_run_receives_everything() {
    let client = TestClient::new().await;
    client.sell().await;
    for last in ["00000000-1", "nonsense", "", "99999999999999999999-1"] {
        let (_, frame) = client.stream(Some(last)).await.next().await;
        assert_eq!((&frame["whole"], numbers(&frame)), (&json!(true), vec![1, 2]), "{last}");
    }
}

#[tokio::test]
async fn the_snapshot_equals_the_first_frame() {
    let client = TestClient::new().await;
    let number = client.sell().await;
    let snapshot = client.get("api/snapshot").await;
    assert_eq!(numbers(&snapshot), [1, 2]);
    let details = client.get(&format!("api/events/{number}")).await;
    assert_eq!(details["event"]["type"], "Checkout");
    assert_eq!(details["steps"][0]["kind"], "committed");
    assert_eq!(details["due"].as_array().unwrap().len(), 3, "{details}");
    assert_eq!(details["record"], Value::Null);
}

#[tokio::test]
async fn a_frame_has_the_newest_events_and_a_search_finds_the_others() {
    let client = TestClient::new().await;
    for number in 0..300 {
        let opening = CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() };
        let shop = client.environment.shop();
        let cart = shop.open_cart(opening).unwrap();
        shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        let name = if number == 7 { "Zoë Quill".to_owned() } else { format!("Guest {number}") };
        shop.checkout(&cart, Checkout { name, ..Checkout::default() }).unwrap();
    }
    let whole = client.get("api/snapshot").await;
    assert_eq!((&whole["flow"]["events"], numbers(&whole)), (&json!(600), (101..=600).collect()));
    let all = client.get("api/events").await;
    assert_eq!((&all["total"], numbers(&all)), (&json!(600), (101..=600).collect()), "the newest are listed");
    let found = client.get("api/events?show=all&text=zoë qu").await;
    assert_eq!((&found["total"], numbers(&found)), (&json!(1), vec![16]));
    assert_eq!(found["events"][0]["who"], "Zoë Quill");
    assert_eq!(client.get("api/events?show=open").await["total"], 600, "nothing was polled yet");
    assert_eq!(client.get("api/events?show=problems").await["total"], 0);
    let refused = client.http.get(client.url("api/events?show=everything")).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_search_finds_what_a_caller_has_in_hand() {
    let client = TestClient::new().await;
    let number = client.sell().await;
    client.sell().await;
    let entry = client.environment.ledger()[number - 1].clone();
    let order = entry.order.clone().unwrap();
    let email = entry.email.clone().unwrap().to_uppercase();
    for text in [&email, &order.channel_reference_id] {
        let found = client.get(&format!("api/events?text={text}")).await;
        assert!(numbers(&found).contains(&(number as u64)) && !numbers(&found).contains(&4), "{text}: {found}");
    }
    assert_eq!(client.get("api/events?text=checkout").await["total"], 2);
    assert_eq!(client.get("api/events?text=failed").await["total"], 0);

    let in_store = client.sell_in("store").await;
    let receipt = client.environment.ledger()[in_store - 1].order.clone().unwrap().receipt_id;
    let found = client.get(&format!("api/events?text={receipt}")).await;
    assert_eq!(numbers(&found), [in_store as u64], "{receipt}: {found}");
}

#[tokio::test]
async fn unknown_paths_and_events_are_not_found() {
    let client = TestClient::new().await;
    for (path, status) in [("api/events/1", 404), ("api/events/0", 404), ("api/events/x", 400), ("api/nothing", 404)] {
        let reply = client.http.get(client.url(path)).send().await.unwrap();
        assert_eq!(reply.status().as_u16(), status, "{path}");
        assert!(reply.json::<Value>().await.unwrap()["error"]["message"].is_string());
    }
    let reply = client.http.get(client.url("api/kill")).send().await.unwrap();
    assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn invalid_actions_are_rejected_with_the_reason() {
    let client = TestClient::new().await;
    let visit = |field: &str, value: Value| {
        let mut visit =
            json!({"who": "known", "email": true, "loyaltyCard": true, "place": "store", "outcome": "checkout"});
        visit[field] = value;
        visit
    };
    let cases = [
        ("api/shop", json!({}), 400, "missing field `who`"),
        ("api/shop", visit("who", json!("nobody")), 400, "unknown variant `nobody`"),
        ("api/shop", visit("coupon", json!(1)), 400, "unknown field `coupon`"),
        ("api/bulk-orders", json!({"orders": 0}), 400, "orders: must be from 1 to 2000"),
        ("api/faults", json!({"dependency": "moon", "availability": "normal"}), 400, "unknown variant `moon`"),
        ("api/faults", json!({"dependency": "cosmos", "availability": "broken"}), 400, "unknown variant `broken`"),
        (
            "api/trigger",
            json!({"journey": "newsletter", "state": "published"}),
            400,
            "there is no journey 'newsletter'",
        ),
        ("api/replay", json!({"event": 7}), 404, "there is no event 7"),
        ("api/replay", json!({"event": 7, "force": true}), 400, "unknown field `force`"),
        ("api/dismiss", json!({"event": 7}), 400, "missing field `reason`"),
        ("api/dismiss", json!({"event": 7, "reason": "a test"}), 404, "there is no event 7"),
        ("api/redrive", json!({"max": 5}), 409, "no function app"),
        ("api/kill", json!({}), 409, "no handler"),
    ];
    for (path, body, status, words) in cases {
        let (answered, answer) = client.post(path, &body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(answered == status && message.contains(words), "{path} {body}: {answered} {answer}");
    }
    client.sell().await;
    assert_eq!(client.post("api/replay", &json!({"event": 2})).await.0, 409, "the event was not polled yet");
    assert_eq!(client.environment.shop().ledger().len(), 2);
}

#[tokio::test]
async fn every_kind_of_visit_is_possible() {
    let client = TestClient::new().await;
    for who in ["known", "new", "guest"] {
        for place in ["store", "online"] {
            for (email, card) in [(true, false), (false, true)] {
                let visit =
                    json!({"who": who, "email": email, "loyaltyCard": card, "place": place, "outcome": "checkout"});
                let (status, answer) = client.post("api/shop", &visit).await;
                assert_eq!(status, 201, "{visit} {answer}");
                let entry = client.environment.shop().ledger().pop().unwrap();
                assert_eq!(entry.email.is_some(), email, "{visit}");
                assert_eq!(entry.loyalty_card.is_some(), card, "{visit}");
                assert_eq!(entry.account.is_some(), who != "guest", "{visit}");
            }
        }
    }
    let visit =
        json!({"who": "new", "email": true, "loyaltyCard": false, "place": "store", "outcome": "leaveWithoutBuying"});
    assert_eq!(client.post("api/shop", &visit).await.0, 201);
    assert_eq!(client.environment.shop().ledger().pop().unwrap().event.event_type, "AddCartLines");
}

#[tokio::test]
async fn only_the_page_itself_may_send_actions() {
    let client = TestClient::new().await;
    let port = client.page.address.port();
    let post = |headers: &[(_, String)]| {
        let mut request = client.http.post(client.url("api/faults"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(r#"{"dependency": "cosmos", "availability": "down"}"#).send()
    };
    let json = || (CONTENT_TYPE, "application/json".to_owned());
    let refused: [(&[_], u16); 6] = [
        (&[], 415),
        (&[(CONTENT_TYPE, "text/plain".to_owned())], 415),
        (&[json(), (ORIGIN, "http://example.org".to_owned())], 403),
        (&[json(), (ORIGIN, "null".to_owned())], 403),
        (&[json(), (ORIGIN, format!("http://127.0.0.1:{}", port.wrapping_add(1)))], 403),
        (&[json(), (HOST, format!("attacker.example:{port}"))], 403),
    ];
    for (headers, status) in refused {
        assert_eq!(post(headers).await.unwrap().status().as_u16(), status, "{headers:?}");
    }
    assert!(*client.environment.served(Dependency::Cosmos).reachability().borrow());
    let rebound = client.http.get(client.url("api/snapshot")).header(HOST, "attacker.example").send().await.unwrap();
    assert_eq!(rebound.status(), StatusCode::FORBIDDEN);
    let own = [json(), (ORIGIN, format!("http://localhost:{port}"))];
    assert_eq!(post(&own).await.unwrap().status(), StatusCode::OK);
    assert!(!*client.environment.served(Dependency::Cosmos).reachability().borrow());
}

#[tokio::test]
async fn every_file_has_the_content_security_policy() {
    let client = TestClient::new().await;
    for (path, media_type, text) in assets::FILES {
        let reply = client.http.get(client.url(path.trim_start_matches('/'))).send().await.unwrap();
        let headers: BTreeMap<_, _> = reply
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        assert_eq!(headers["content-type"], media_type, "{path}");
        assert!(headers["content-security-policy"].starts_with("default-src 'none'"), "{path}");
        assert_eq!(reply.text().await.unwrap(), text);
    }
}

#[tokio::test]
async fn callers_see_the_availability_that_is_set() {
    let client = TestClient::new().await;
    let dataverse = client.environment.url(Dependency::Dataverse);
    let set = async |availability: &str| {
        let body = json!({"dependency": "dataverse", "availability": availability});
        assert_eq!(client.post("api/faults", &body).await.0, 200);
    };
    let call = async || client.http.get(&dataverse).send().await.map(|reply| reply.status().as_u16());
    assert_eq!(call().await.unwrap(), 404);
    set("failing").await;
    let mut throttled = 0;
    for _ in 0..30 {
        throttled += usize::from(call().await.unwrap() == 429);
    }
    assert!((10..30).contains(&throttled), "{throttled} of 30");
    set("down").await;
    while call().await.is_ok() {
        tokio::task::yield_now().await;
    }
    set("normal").await;
    while call().await.ok() != Some(404) {
        tokio::task::yield_now().await;
    }
    let mut frames = client.stream(None).await;
    loop {
        let (_, frame) = frames.next().await;
        let calls = &frame["flow"]["dependencies"]["dataverse"];
        if calls["failures"].as_u64() >= Some(throttled as u64) && calls["availability"] == "normal" {
            break;
        }
    }
}

#[tokio::test]
async fn a_taken_port_is_replaced_unless_it_is_fixed() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_eq!(listen(Some(port)).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    let first = listen(None).await.unwrap().local_addr().unwrap();
    assert!(first.ip().is_loopback());
}
