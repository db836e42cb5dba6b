use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::auth::{AnyToken, TokenError};
use crate::clock::{Clock, TimeHold};
use crate::network::{Dependency, Network, NoFaults, Served};
use crate::shop::{CartOpening, Checkout, EventRow, Item, PRODUCTS};

const HOUSTON: i64 = 5_637_144_592;

/// A shop behind a Scale Unit on a real port, in simulated time that the test advances.
struct Environment {
    shop: Shop,
    served: Served,
    client: reqwest::Client,
    hold: Option<TimeHold>,
}

impl Environment {
    async fn new() -> Self {
        Self::with(AnyToken).await
    }

    async fn with(tokens: impl TokenCheck + 'static) -> Self {
        let clock = Clock::simulated("2025-10-09T08:53:20.5Z".parse().unwrap());
        let hold = Some(clock.hold());
        let shop = Shop::new(clock, 7);
        let csu = Csu::new(shop.clone(), Arc::new(tokens), CsuOptions::default());
        let served = Network::new(NoFaults::default()).serve(Dependency::Commerce, csu.router(), None).await.unwrap();
        Self { shop, served, client: reqwest::Client::new(), hold }
    }

    async fn pass(&mut self, millis: u64) {
        let clock = self.shop.clock().clone();
        self.hold = None;
        self.hold = Some(clock.sleep(Duration::from_millis(millis)).await);
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.served.url()));
        request.header("Authorization", "Bearer t").header("OUN", "052")
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.request(Method::POST, path).header("Content-Type", "application/json");
        answer(request.body(body.to_string())).await
    }

    /// A page of checkouts: their ids.
    async fn search(&self, options: &str, from: &str, to: &str) -> Vec<String> {
        let (status, page) = self.post(&format!("{SEARCH}{options}"), &window("Checkout", from, to)).await;
        assert_eq!(status, 200, "{page}");
        ids(&page)
    }

    fn sell(&self, id: &str) -> EventRow {
        let opening = CartOpening { channel: HOUSTON, id: Some(id.to_owned()), ..CartOpening::default() };
        let cart = self.shop.open_cart(opening).unwrap();
        self.shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        self.shop.checkout(&cart, Checkout::default()).unwrap()
    }
}

const SEARCH: &str = "Commerce/CommerceEventsController/Search?api-version=7.3";

fn window(event_type: &str, from: &str, to: &str) -> Value {
    json!({ "commerceEventSearchCriteria": {
        "EventType": event_type, "EventDateTimeFrom": from, "EventDateTimeTo": to } })
}

fn ids(page: &Value) -> Vec<String> {
    let rows = page["value"].as_array().unwrap();
    rows.iter().map(|row| row["EventTransactionId"].as_str().unwrap().to_owned()).collect()
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() })
}

fn error(code: &str) -> String {
    format!("Microsoft_Dynamics_Commerce_Runtime_{code}")
}

#[tokio::test]
async fn an_event_has_the_format_of_the_sample() {
    let environment = Environment::new().await;
    environment.sell("HOUSTON-1");
    let whole = window("AddCartLines", "2025-10-09T08:00:00Z", "2025-10-09T09:00:00Z");
    let (_, page) = environment.post(&format!("{SEARCH}&$top=250&$count=true"), &whole).await;
    assert_eq!(page["@odata.count"], 1);
    let row = &page["value"][0];
    assert_eq!(row["EventDateTime"], "2025-10-09T08:53:20.5Z");
    assert_eq!(row["EventChannelId"], json!(HOUSTON));
    assert_eq!(row["EventDataAreaId"], "usrt");
    assert_eq!(row["EventData"].as_str().unwrap().len(), 64);
    assert_eq!(row["ExtensionProperties"], json!([]));
    assert_eq!(row.as_object().unwrap().len(), 10);
}

#[tokio::test]
async fn bounds_are_whole_seconds_and_the_lower_one_is_exclusive() {
    let mut environment = Environment::new().await;
    environment.sell("at .5");
    environment.pass(500).await;
    environment.sell("at 1.0");
    environment.pass(250).await;
    environment.sell("at 1.25");
    let none: [&str; 0] = [];
    // The upper bound 21.9 becomes 21.0, and the lower bound 20.9 becomes 20.0.
    assert_eq!(environment.search("", "2025-10-09T08:53:20.9Z", "2025-10-09T08:53:21.9Z").await, ["at .5", "at 1.0"]);
    assert_eq!(environment.search("", "2025-10-09T08:53:21Z", "2025-10-09T08:53:22Z").await, ["at 1.25"]);
    assert_eq!(environment.search("", "2025-10-09T10:53:19+02:00", "2025-10-09T10:53:20.999+02:00").await, none);
    assert_eq!(environment.search("", "2025-10-09T08:53:22Z", "2025-10-09T08:53:19Z").await, none);
}

#[tokio::test]
async fn an_event_type_is_matched_exactly_but_case_insensitively() {
    let environment = Environment::new().await;
    environment.sell("1");
    for (event_type, found) in [("Checkout", 1), ("CHECKOUT", 1), ("AddCartLines,Checkout", 0), ("Check", 0)] {
        let body = window(event_type, "2025-10-09T08:00:00Z", "2025-10-09T09:00:00Z");
        assert_eq!(ids(&environment.post(SEARCH, &body).await.1).len(), found, "{event_type}");
    }
    let blank = window(" ", "2025-10-09T08:00:00Z", "2025-10-09T09:00:00Z");
    assert_eq!(environment.post(SEARCH, &blank).await.0, 400);
}

#[tokio::test]
async fn an_identical_window_is_cached_for_an_hour_unless_it_was_empty() {
    let mut environment = Environment::new().await;
    let (from, to) = ("2025-10-09T08:00:00Z", "2025-10-09T12:00:00Z");
    assert!(environment.search("", from, to).await.is_empty());
    environment.sell("first");
    assert_eq!(environment.search("", from, to).await, ["first"]);
    environment.pass(1000).await;
    environment.sell("second");
    assert_eq!(environment.search("", from, to).await, ["first"], "the page that was served before");
    assert_eq!(
        environment.search("", "2025-10-09T08:00:00.7Z", to).await,
        ["first"],
        "the same second is the same window"
    );
    assert_eq!(
        environment.search("&$top=500", from, to).await,
        ["first", "second"],
        "another page size is another window"
    );
    assert_eq!(environment.search("", "2025-10-09T08:00:01Z", to).await, ["first", "second"]);
    environment.pass(3_600_000).await;
    assert_eq!(environment.search("", from, to).await, ["first", "second"]);
}

#[tokio::test]
async fn a_late_commit_appears_after_later_timestamps() {
    let mut environment = Environment::new().await;
    environment.shop.set_commit_delay(TimeDelta::seconds(90));
    environment.sell("slow");
    environment.shop.set_commit_delay(TimeDelta::zero());
    environment.pass(1000).await;
    environment.sell("quick");
    assert_eq!(environment.search("", "2025-10-09T08:00:00Z", "2025-10-09T09:00:00Z").await, ["quick"]);
    environment.pass(90_000).await;
    assert_eq!(environment.search("", "2025-10-09T08:00:01Z", "2025-10-09T09:00:00Z").await, ["slow", "quick"]);
}

#[tokio::test]
async fn pages_follow_top_and_skip_and_the_count_is_complete() {
    let environment = Environment::new().await;
    for id in ["1", "2", "3", "4", "5"] {
        environment.sell(id);
    }
    let whole = window("Checkout", "2025-10-09T08:00:00Z", "2025-10-09T09:00:00Z");
    let (_, page) = environment.post(&format!("{SEARCH}&$top=2&$skip=4&$count=true"), &whole).await;
    assert_eq!((ids(&page), &page["@odata.count"]), (vec!["5".to_owned()], &json!(5)));
    let (_, page) = environment.post(&format!("{SEARCH}&%24top=2&$skip=2"), &whole).await;
    assert_eq!(ids(&page), ["3", "4"]);
    assert!(page.get("@odata.count").is_none());
    for options in ["&$top=1001", "&$top=-1", "&$top=x", "&$count=1", "&$filter=true"] {
        assert_eq!(environment.post(&format!("{SEARCH}{options}"), &whole).await.0, 400, "{options}");
    }
    let (_, all) =
        environment.get("Commerce/CommerceEventsController/GetAllCommerceEvents?api-version=7.3&$count=true").await;
    assert_eq!(all["@odata.count"], 10);
}

#[tokio::test]
async fn a_body_of_another_structure_is_rejected() {
    let environment = Environment::new().await;
    for body in [
        json!({}),
        json!({ "commerceEventSearchCriteria": { "EventType": "Checkout" } }),
        window("Checkout", "2025-10-09 08:00", "2025-10-09T09:00:00Z"),
        window("Checkout", "0001-01-01T00:00:00Z", "2025-10-09T09:00:00Z"),
    ] {
        let (status, answer) = environment.post(SEARCH, &body).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(error("InvalidRequest"))), "{body}");
    }
    let untyped = environment.request(Method::POST, SEARCH).body("{}");
    assert_eq!(answer(untyped).await.0, 415);
}

#[tokio::test]
async fn an_order_is_read_by_its_alias_with_doubled_quotes() {
    let environment = Environment::new().await;
    let row = environment.sell("it's + 1/2");
    let call = "Commerce/SalesOrders/GetSalesOrderDetailsByTransactionId(transactionId=@p1,searchLocationValue=1)";
    let path = format!("{call}?@p1=%27it%27%27s%20%2B%201%2F2%27&api-version=7.3");
    let (status, order) = environment.get(&path).await;
    assert_eq!((status, &order["Id"]), (200, &json!("it's + 1/2")));
    assert_eq!(environment.get(&format!("/{path}")).await.0, 200, "a doubled slash is harmless");

    let (status, answer) = environment.get(&format!("{call}?@p1='none'&api-version=7.3")).await;
    assert_eq!((status, &answer["error"]["code"]), (404, &json!(error("ObjectNotFound"))));
    assert_eq!(environment.get(&format!("{call}?@p1='it's'&api-version=7.3")).await.0, 400);
    assert_eq!(environment.get(&format!("{call}?api-version=7.3")).await.0, 400);

    let served = answer_text(environment.request(Method::GET, &path)).await;
    assert_eq!(served, environment.shop.order_body(HOUSTON, &row.transaction_id).unwrap());
}

async fn answer_text(request: reqwest::RequestBuilder) -> Bytes {
    request.send().await.unwrap().bytes().await.unwrap()
}

#[tokio::test]
async fn a_channel_reads_only_its_own_data() {
    let environment = Environment::new().await;
    environment.sell("1");
    let path = "Commerce/Carts('1')?api-version=7.3";
    assert_eq!(environment.get(path).await.0, 200);
    let other = |oun: &'static str, path: &str| {
        let url = format!("{}{path}", environment.served.url());
        answer(environment.client.get(url).header("Authorization", "Bearer t").header("OUN", oun))
    };
    assert_eq!(other("053", path).await.0, 404);
    let order = "Commerce/SalesOrders/GetSalesOrderDetailsByTransactionId(transactionId='1',searchLocationValue=1)";
    assert_eq!(environment.get(&format!("{order}?api-version=7.3")).await.0, 200);
    assert_eq!(other("053", &format!("{order}?api-version=7.3")).await.0, 404);

    let customers = environment.shop.customers();
    let quoted = customers.iter().find(|c| c.account.contains('\'') && c.data_area == "usrt").unwrap();
    let path = format!("Commerce/Customers('{}')?api-version=7.3", quoted.account.replace('\'', "''"));
    assert_eq!(environment.get(&path).await.1["AccountNumber"], quoted.account);
    assert_eq!(other("053", &path).await.0, 200, "customers are the company's");
    assert_eq!(other("D-201", &path).await.0, 404);
    environment.shop.lose_customer(&quoted.account);
    assert_eq!(environment.get(&path).await.0, 404);
}

#[tokio::test]
async fn operating_units_are_looked_up_by_channel() {
    let environment = Environment::new().await;
    let path = |id: &str| format!("Commerce/GetOperatingUnitNumber(channelid={id})?api-version=7.3");
    let (_, found) = environment.get(&path("5637212326")).await;
    assert_eq!(found["value"], "D-201");
    assert!(found["@odata.context"].is_string());
    assert_eq!(environment.get(&path("1")).await.0, 400);
    assert_eq!(environment.get(&path("'x'")).await.0, 400);
}

#[tokio::test]
async fn requests_without_version_or_operating_unit_are_rejected() {
    let environment = Environment::new().await;
    for path in ["Commerce/Customers('1')", "Commerce/Customers('1')?api-version=6.0"] {
        let (status, answer) = environment.get(path).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(error("RetailServerApiVersionNotSupported"))));
    }
    for oun in [None, Some("999")] {
        let url = format!("{}Commerce/Customers('1')?api-version=7.3", environment.served.url());
        let mut request = environment.client.get(url).header("Authorization", "id_token t");
        if let Some(oun) = oun {
            request = request.header("OUN", oun);
        }
        let (status, answer) = answer(request).await;
        assert_eq!((status, &answer["error"]["code"]), (400, &json!(error("InvalidChannel"))));
    }
    for path in ["Commerce/Nothing?api-version=7.3", "Elsewhere", "Commerce/Customers?api-version=7.3"] {
        assert_eq!(environment.get(path).await.0, 404, "{path}");
    }
    assert_eq!(environment.post("Commerce/Customers('1')?api-version=7.3", &json!({})).await.0, 404);
}

struct RejectAll(TokenError);

impl TokenCheck for RejectAll {
    fn check(&self, _: Option<&str>) -> Result<(), TokenError> {
        Err(self.0)
    }
}

#[tokio::test]
async fn invalid_tokens_are_rejected_with_their_error_name() {
    for (token_error, name) in [
        (TokenError::Missing, "AuthenticationFailed"),
        (TokenError::Expired, "AuthenticationFailed"),
        (TokenError::WrongAudience, "InvalidAudience"),
        (TokenError::Forged, "InvalidIssuer"),
    ] {
        let environment = Environment::with(RejectAll(token_error)).await;
        let (status, answer) = environment.get("Commerce/Customers('1')?api-version=7.3").await;
        assert_eq!((status, &answer["error"]["code"]), (401, &json!(error(name))));
    }
}

#[tokio::test]
async fn a_sale_can_be_made_over_http() {
    let environment = Environment::new().await;
    let account = "001000";
    let cart = json!({ "Id": "network", "CustomerId": account, "LoyaltyCardId": "L1" });
    let (status, cart) = environment.post("Commerce/Carts?api-version=7.3", &cart).await;
    assert_eq!((status, &cart["CustomerId"]), (201, &json!(account)));
    let lines = json!({ "cartLines": [{ "ProductId": PRODUCTS[1].id, "Quantity": 2.0 }] });
    let (status, cart) = environment.post("Commerce/Carts('network')/AddCartLines?api-version=7.3", &lines).await;
    assert_eq!((status, &cart["CartLines"][0]["ItemId"]), (200, &json!("0002")));
    let checkout = json!({ "receiptEmail": "a+b@example.com" });
    let (status, order) = environment.post("Commerce/Carts('network')/Checkout?api-version=7.3", &checkout).await;
    assert_eq!((status, &order["ReceiptEmail"]), (200, &json!("a+b@example.com")));
    let (status, again) = environment.post("Commerce/Carts('network')/Checkout?api-version=7.3", &checkout).await;
    assert_eq!((status, &again["error"]["code"]), (400, &json!(error("CartAlreadyCheckedOut"))));
    assert_eq!(environment.post("Commerce/Carts('none')/Checkout?api-version=7.3", &checkout).await.0, 404);
    let ledger = environment.shop.ledger();
    assert_eq!(ledger.len(), 2);
    assert_eq!(ledger[1].email.as_deref(), Some("a+b@example.com"));
    assert_eq!(ledger[1].loyalty_card.as_deref(), Some("L1"));
}

#[tokio::test]
async fn synchronization_times_are_stored_per_application() {
    let environment = Environment::new().await;
    let app = json!({ "appName": "journeys" });
    let get = "Commerce/GetLastSyncDatetimeUTC?api-version=7.3";
    assert_eq!(environment.post(get, &app).await.1["value"], "1900-01-01T00:00:00Z");
    assert_eq!(environment.post("Commerce/SetLastSyncDatetime?api-version=7.3", &app).await.0, 204);
    assert_eq!(environment.post(get, &app).await.1["value"], "2025-10-09T08:53:20.5Z");
    assert_eq!(environment.post(get, &json!({ "appName": "" })).await.0, 400);
}

#[tokio::test]
async fn a_role_without_access_to_orders_can_read_everything_else() {
    let clock = Clock::simulated("2025-10-09T08:53:20.5Z".parse().unwrap());
    let shop = Shop::new(clock.clone(), 7);
    let options = CsuOptions { application_reads_orders: false, ..CsuOptions::default() };
    let csu = Csu::new(shop.clone(), Arc::new(AnyToken), options);
    let served = Network::new(NoFaults::default()).serve(Dependency::Commerce, csu.router(), None).await.unwrap();
    let environment = Environment { shop, served, client: reqwest::Client::new(), hold: Some(clock.hold()) };
    let order = "Commerce/SalesOrders/GetSalesOrderDetailsByTransactionId(transactionId='x',searchLocationValue=1)?api-version=7.3";
    let (status, body) = environment.get(order).await;
    assert_eq!(
        (status, &body["error"]["code"]),
        (403, &json!("Microsoft_Dynamics_Commerce_Runtime_AuthorizationFailed"))
    );
    assert_eq!(environment.get("Commerce/Customers('nobody')?api-version=7.3").await.0, 404);
}
