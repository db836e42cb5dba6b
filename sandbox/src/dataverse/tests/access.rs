//! Access: tokens, protocol headers, methods and limits.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::entra::{Client, Entra, EntraOptions};

const AUDIENCE: &str = "https://contoso.crm.dynamics.com";

/// Dataverse and its Entra.
async fn guarded() -> (Environment, Entra, Served) {
    let clock = Clock::simulated(noon());
    let clients = vec![Client { client_id: "app".to_owned(), secret: "secret".to_owned() }];
    let entra = Entra::new(clock.clone(), EntraOptions { tenant: "home".to_owned(), clients, ..Default::default() });
    let served = Network::new(NoFaults::default()).serve(Dependency::Entra, entra.router(), None).await.unwrap();
    let check = Arc::new(entra.check_for(&[AUDIENCE]));
    let dataverse = Dataverse::new(clock.clone(), check, DataverseOptions::default());
    (Environment::serve(clock, dataverse).await, entra, served)
}

async fn buy_token(environment: &Environment, entra: &Served, audience: &str) -> String {
    let form = format!("grant_type=client_credentials&client_id=app&client_secret=secret&scope={audience}/.default");
    let request = environment.http.post(format!("{}home/oauth2/v2.0/token", entra.url()));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form);
    let reply: Value = serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap();
    reply["access_token"].as_str().unwrap().to_owned()
}

async fn status_with(environment: &Environment, authorization: &str) -> u16 {
    send(environment.http.get(environment.url("contacts")).header("Authorization", authorization)).await.status
}

#[tokio::test]
async fn a_token_is_valid_until_it_expires() {
    let (environment, _, entra) = guarded().await;
    let bearer = format!("Bearer {}", buy_token(&environment, &entra, AUDIENCE).await);
    assert_eq!(status_with(&environment, &bearer).await, 200);
    drop(environment.clock.sleep(Duration::from_secs(3600)).await);
    assert_eq!(status_with(&environment, &bearer).await, 401);
    let bearer = format!("Bearer {}", buy_token(&environment, &entra, AUDIENCE).await);
    assert_eq!(status_with(&environment, &bearer).await, 200);
}

#[tokio::test]
async fn a_revoked_token_is_rejected() {
    let (environment, hook, entra) = guarded().await;
    let bearer = format!("Bearer {}", buy_token(&environment, &entra, AUDIENCE).await);
    hook.revoke_all();
    let answer = send(environment.http.get(environment.url("contacts")).header("Authorization", &bearer)).await;
    assert_eq!(answer.error(), (401, ""));
    assert_eq!(answer.header("WWW-Authenticate"), Some("Bearer"));
}

#[tokio::test]
async fn only_bearer_tokens_for_this_environment_are_accepted() {
    let (environment, _, entra) = guarded().await;
    let good = buy_token(&environment, &entra, AUDIENCE).await;
    let other = buy_token(&environment, &entra, "https://fabrikam.crm.dynamics.com").await;
    for header in [format!("id_token {good}"), format!("Bearer {other}"), "Bearer x".to_owned(), good] {
        assert_eq!(status_with(&environment, &header).await, 401, "{header}");
    }
    assert_eq!(send(environment.http.get(environment.url("contacts"))).await.status, 401);
    let body = json!({ "firstname": "Ana" });
    assert_eq!(send(with_json(environment.http.post(environment.url("contacts")), &body)).await.status, 401);
    assert!(environment.dataverse.contacts().is_empty());
}

#[tokio::test]
async fn protocol_headers_are_optional_but_must_be_valid() {
    let environment = Environment::new().await;
    let table = [
        ("OData-Version", "4.0", 200),
        ("OData-Version", "3.0", 400),
        ("OData-MaxVersion", "4.01", 400),
        ("Accept", "application/json", 200),
        ("Accept", "text/html, application/json;q=0.9", 200),
        ("Accept", "application/xml", 406),
        ("If-None-Match", "null", 200),
    ];
    for (name, value, expected) in table {
        let answer = send(environment.request(Method::GET, "contacts").header(name, value)).await;
        assert_eq!(answer.status, expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn names_are_case_sensitive_and_methods_fixed() {
    let environment = Environment::new().await;
    for path in ["Contacts", "contact", "accounts", "contacts/x", "accounts(1)"] {
        assert_eq!(environment.get(path).await.error(), (404, "0x8006088a"), "{path}");
    }
    let row = format!("contacts({})", id_of(1));
    for (method, path) in [(Method::PUT, "contacts"), (Method::PATCH, "contacts"), (Method::POST, row.as_str())] {
        let request = with_json(environment.request(method, path), &json!({}));
        assert_eq!(send(request).await.status, 405);
    }
    assert_eq!(environment.get("contacts(1)").await.status, 400);
    assert_eq!(environment.get(&format!("contacts%28{}%29", id_of(1))).await.error(), (404, "0x80040217"));
}

#[tokio::test]
async fn a_write_must_have_the_content_type_json() {
    let environment = Environment::new().await;
    let post = || environment.request(Method::POST, "contacts").body("{}");
    assert_eq!(send(post()).await.status, 400);
    assert_eq!(send(post().header("Content-Type", "text/plain")).await.status, 415);
    assert_eq!(send(post().header("Content-Type", "application/json")).await.status, 204);
    let huge = json!({ "firstname": "x".repeat(2 << 20) });
    assert_eq!(environment.post("contacts", &huge).await.status, 413);
}

fn limited(limits: Limits) -> DataverseOptions {
    DataverseOptions { limits: Some(limits), ..Default::default() }
}

#[tokio::test]
async fn requests_beyond_the_limit_must_wait_for_retry_after() {
    let environment = Environment::with(limited(Limits { requests: 3, ..Default::default() })).await;
    for _ in 0..3 {
        assert_eq!(environment.get("contacts").await.status, 200);
        drop(environment.clock.sleep(Duration::from_secs(10)).await);
    }
    let refused = environment.get("contacts").await;
    assert_eq!((refused.error(), refused.header("Retry-After")), ((429, "0x80072322"), Some("270")));
    drop(environment.clock.sleep(Duration::from_secs(1)).await);
    assert_eq!(environment.get("contacts").await.header("Retry-After"), Some("279"), "further requests make it longer");
    drop(environment.clock.sleep(Duration::from_secs(299)).await);
    assert_eq!(environment.get("contacts").await.status, 200);
}

#[tokio::test]
async fn too_many_concurrent_requests_are_rejected() {
    let environment = Environment::with(limited(Limits { concurrent: 1, ..Default::default() })).await;
    // A request whose body has not arrived yet is in execution.
    let mut slow = tokio::net::TcpStream::connect(("127.0.0.1", environment.served.port())).await.unwrap();
    let head = "POST /api/data/v9.2/contacts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\nExpect: 100-continue\r\n\
                Connection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    // The server reads the body once the request is admitted.
    let mut buffer = [0; 64];
    let read = slow.read(&mut buffer).await.unwrap();
    assert!(buffer[..read].starts_with(b"HTTP/1.1 100"));
    let refused = environment.get("contacts").await;
    assert_eq!((refused.error(), refused.header("Retry-After")), ((429, "0x80072326"), Some("2")));
    slow.write_all(b"{}").await.unwrap();
    let mut reply = String::new();
    slow.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 204"), "{reply}");
    assert_eq!(environment.get("contacts").await.status, 200);
}

#[tokio::test]
async fn the_allowed_number_of_requests_may_be_concurrent() {
    let limits = Limits { concurrent: 4, work: Duration::from_millis(50), ..Default::default() };
    let environment = Environment::with(limited(limits)).await;
    let calls = futures::stream::iter(0..12).map(|_| async { environment.get("contacts").await.status });
    let statuses: Vec<u16> = calls.buffer_unordered(4).collect().await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
}
