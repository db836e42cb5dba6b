//! `$batch`.

use super::*;

/// Sends requests as one batch. Returns the status and the whole reply.
async fn batch(environment: &Environment, requests: &[String], prefer: Option<&str>) -> (u16, String) {
    let parts = requests.iter().map(|request| {
        format!("--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n{request}\r\n")
    });
    let body = parts.collect::<String>() + "--b--\r\n";
    let request = environment.request(Method::POST, "$batch").header("Content-Type", "multipart/mixed; boundary=\"b\"");
    let request = prefer.into_iter().fold(request, |request, prefer| request.header("Prefer", prefer));
    let reply = request.body(body).send().await.unwrap();
    (reply.status().as_u16(), reply.text().await.unwrap())
}

fn patch(id: Uuid, guard: &str, body: &Value) -> String {
    format!("PATCH /api/data/v9.2/contacts({id}) HTTP/1.1\r\nContent-Type: application/json\r\n{guard}\r\n\r\n{body}")
}

fn statuses(reply: &str) -> Vec<&str> {
    reply.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)).collect()
}

const ALL: Option<&str> = Some("odata.continue-on-error");

#[tokio::test]
async fn requests_are_independent_and_answered_in_order() {
    let environment = Environment::new().await;
    let there = environment.dataverse.add_contact(&named("Ann", "ann@example.org"));
    let requests = [
        patch(there, "If-None-Match: *", &json!({ "lastname": "X" })),
        patch(id_of(7), "If-None-Match: *", &json!({ "lastname": "X" })),
        patch(there, "If-Match: W/\"1\"", &json!({ "lastname": "X" })),
        "GET /api/data/v9.2/contacts?$select=lastname HTTP/1.1\r\n\r\n".to_owned(),
    ];
    let (status, reply) = batch(&environment, &requests, ALL).await;
    assert_eq!((status, statuses(&reply)), (200, vec!["412", "204", "412", "200"]), "{reply}");
    assert!(reply.contains(&format!("contacts({})", id_of(7))), "{reply}");
    assert_eq!(environment.dataverse.contact(there).unwrap().last_name, None);
    assert_eq!(environment.dataverse.contact(id_of(7)).unwrap().last_name.as_deref(), Some("X"));
}

#[tokio::test]
async fn without_a_preference_the_first_error_ends_the_batch() {
    let environment = Environment::new().await;
    let long = "x".repeat(51);
    let requests = [
        patch(id_of(1), "If-None-Match: *", &json!({ "lastname": "X" })),
        patch(id_of(2), "If-None-Match: *", &json!({ "lastname": long })),
        patch(id_of(3), "If-None-Match: *", &json!({ "lastname": "X" })),
    ];
    let (status, reply) = batch(&environment, &requests, None).await;
    assert_eq!((status, statuses(&reply)), (400, vec!["204", "400"]), "{reply}");
    assert_eq!(environment.dataverse.contact_count(), 1);
}

#[tokio::test]
async fn a_batch_is_one_request_of_at_most_a_thousand() {
    let limits = Limits { requests: 2, ..Limits::default() };
    let environment = Environment::with(DataverseOptions { limits: Some(limits), ..Default::default() }).await;
    let many = |n: u128| -> Vec<String> {
        (0..n).map(|n| patch(id_of(n + 1), "If-None-Match: *", &json!({ "lastname": "X" }))).collect()
    };
    assert_eq!(batch(&environment, &many(1000), ALL).await.0, 200);
    assert_eq!(batch(&environment, &many(1001), ALL).await.0, 400);
    assert_eq!(batch(&environment, &many(1), ALL).await.0, 429);
    assert_eq!(environment.dataverse.contact_count(), 1000);
}

#[tokio::test]
async fn a_malformed_batch_is_rejected() {
    let environment = Environment::new().await;
    let send = async |kind: &'static str, body: &'static str| {
        send(environment.request(Method::POST, "$batch").header("Content-Type", kind).body(body)).await.status
    };
    assert_eq!(send("application/json", "{}").await, 415);
    assert_eq!(send("multipart/mixed", "--b--\r\n").await, 415);
    let kind = "multipart/mixed; boundary=b";
    let get = "GET /api/data/v9.2/contacts HTTP/1.1\r\n\r\n";
    assert_eq!(send(kind, "--b--\r\n").await, 400);
    assert_eq!(send(kind, "--b\r\nContent-Type: application/http\r\n\r\nGET x HTTP/1.1\r\n\r\n--b--").await, 400);
    let headers = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let broken_off = Box::leak(format!("--b\r\n{headers}{get}").into_boxed_str());
    assert_eq!(send(kind, broken_off).await, 400);
    let nested = "POST /api/data/v9.2/$batch HTTP/1.1\r\n\r\n";
    assert_eq!(batch(&environment, &[nested.to_owned()], ALL).await.0, 400);
    assert_eq!(batch(&environment, &[get.to_owned()], ALL).await.0, 200);
}
