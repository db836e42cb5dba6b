//! The host's requests, compared with those of the real host field by field.

use http_body_util::StreamBody;
use hyper::body::Frame;

use super::*;

/// A request: its first line, its headers by their lower-case names, and its body.
struct Captured {
    line: String,
    headers: BTreeMap<String, String>,
    body: Value,
}

/// A capture in `sandbox/fixtures/host`.
fn captured(name: &str) -> Captured {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/host").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let (line, headers) = head.split_once('\n').unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), shape(value))
    };
    Captured {
        line: line.to_owned(),
        headers: headers.lines().map(header).collect(),
        body: shaped(&serde_json::from_str(body).unwrap()),
    }
}

/// The text without what differs in every request: ids, ports and times of the current day.
fn shape(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-.:+".contains(c);
    let mut shape = String::new();
    for run in text.split_inclusive(|c: char| !is_part(c)) {
        let word = run.trim_end_matches(|c: char| !is_part(c));
        let (prefix, id) = word.split_at(word.len().saturating_sub(36));
        if uuid::Uuid::parse_str(id).is_ok() {
            shape += &format!("{prefix}<id>");
        } else if let Some(port) = word.strip_prefix("127.0.0.1:") {
            assert!(port.parse::<u16>().is_ok(), "{word}");
            shape += "127.0.0.1:<port>";
        } else if let Ok(time) = word.trim_end_matches("+00:00").trim_end_matches('Z').parse::<chrono::NaiveDateTime>()
            && time.and_utc() > midnight() - TimeDelta::days(1)
        {
            let zone = if word.ends_with('Z') { "Z" } else { "+00:00" };
            let digits = word.split_once('.').map_or(0, |(_, rest)| rest.trim_end_matches(zone).len());
            assert!(digits <= 7, "{word}");
            shape += &format!("<time>{zone}");
        } else {
            shape += word;
        }
        shape += &run[word.len()..];
    }
    shape
}

fn shaped(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(shape(text)),
        Value::Array(items) => items.iter().map(shaped).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shaped(value))).collect(),
        other => other.clone(),
    }
}

fn compare(name: &str, call: &Call) {
    let Captured { line, headers, body } = captured(name);
    assert_eq!(line, format!("POST /{} HTTP/1.1", call.function));
    let own = call.headers.iter().map(|(name, value)| (name.to_string(), shape(value.to_str().unwrap()))).collect();
    assert_eq!(headers, own, "{name}");
    assert_eq!(body, shaped(&call.body), "{name}");
}

#[tokio::test]
async fn a_timers_request_equals_the_real_hosts() {
    let (environment, hold) = environment(&ALL[..2], &settings());
    let mut events = environment.host.events();
    drop(hold);
    ended(&mut events).await;
    compare("timer.http", &environment.seen.calls()[0]);
}

#[tokio::test]
async fn a_monitored_timers_request_equals_the_real_hosts() {
    let mut settings = settings();
    settings.insert("PollSchedule".to_owned(), "0 */5 * * * *".to_owned());
    let (environment, hold) = environment(&ALL[..2], &settings);
    let mut events = environment.host.events();
    drop(hold);
    ended(&mut events).await;
    compare("monitored-timer.http", &environment.seen.calls()[0]);
}

#[tokio::test]
async fn a_messages_request_equals_the_real_hosts() {
    let (environment, _hold) = with_queue();
    let mut events = environment.host.events();
    environment.queue.send(r#"{"a":1e3}"#);
    ended(&mut events).await;
    compare("message.http", &environment.seen.calls()[0]);
}

/// The headers that the handler received with an HTTP request.
fn received(answer: &reqwest::Response) -> BTreeMap<String, String> {
    serde_json::from_str(answer.headers()["x-headers"].to_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_forwarded_request_equals_the_real_hosts() {
    let (environment, _hold) = environment(&[ALL[0], ALL[3]], &settings());
    let (url, _server) = served(&environment).await;
    let Captured { line, headers, body } = captured("forwarded.http");
    let request = reqwest::Client::new().post(format!("{url}?code=f-key")).header("User-Agent", "curl/8.5.0");
    let request = request.header("Host", "contoso.azurewebsites.net").header("Content-Type", "application/json");
    let answer = request.body(r#"{"check": true}"#).send().await.unwrap();
    let own = received(&answer).into_iter().map(|(name, value)| (name, shape(&value))).collect();
    assert_eq!(headers, own);
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(line, format!("{} {} HTTP/1.1", seen["method"].as_str().unwrap(), seen["uri"].as_str().unwrap()));
    assert_eq!(body, serde_json::from_str::<Value>(seen["body"].as_str().unwrap()).unwrap());
}

#[tokio::test]
async fn with_application_insights_every_call_has_a_trace() {
    let mut settings = settings();
    settings.insert("APPLICATIONINSIGHTS_CONNECTION_STRING".to_owned(), "InstrumentationKey=k".to_owned());
    let (environment, hold) = environment(&ALL, &settings);
    let (url, _server) = served(&environment).await;
    let mut events = environment.host.events();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let callers = format!("00-{trace}-00f067aa0ba902b7-01");
    let request = reqwest::Client::new().post(format!("{url}?code=f-key")).header("traceparent", callers);
    let http = received(&request.body("{}").send().await.unwrap());
    assert!(http["traceparent"].starts_with(&format!("00-{trace}-")) && http["traceparent"].ends_with("-01"));
    environment.queue.send("x");
    drop(hold);
    for _ in 0..3 {
        ended(&mut events).await;
    }
    for Call { function, headers, .. } in environment.seen.calls() {
        assert!(headers["traceparent"].to_str().unwrap().ends_with("-00"), "{function} is not sampled");
    }
}

#[tokio::test]
async fn a_body_without_a_length_fails_in_the_host() {
    let (environment, _hold) = environment(&[ALL[0], ALL[3]], &settings());
    let (url, _server) = served(&environment).await;
    let chunks =
        ["{\"check\"", ": true}"].map(|chunk| Ok::<_, std::convert::Infallible>(Frame::data(Bytes::from(chunk))));
    let request = reqwest::Client::new().post(format!("{url}?code=f-key"));
    let answer =
        request.body(reqwest::Body::wrap(StreamBody::new(futures::stream::iter(chunks)))).send().await.unwrap();
    assert_eq!(answer.status(), 500);
    assert!(!answer.headers().contains_key("x-answer"), "the handler was called");
    assert_eq!(answer.bytes().await.unwrap(), "");
    assert_eq!(environment.host.counters().functions["trigger-journey"].failed, 1);
}

#[tokio::test]
async fn a_body_of_more_than_100_mib_fails_in_the_host() {
    let (environment, _hold) = environment(&[ALL[0], ALL[3]], &settings());
    let (url, _server) = served(&environment).await;
    let request = reqwest::Client::new().post(format!("{url}?code=f-key"));
    let answer = request.body(vec![b'x'; 101 * 1024 * 1024]).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["connection"]), (500, &"close".parse().unwrap()));
    assert_eq!(answer.bytes().await.unwrap(), "");
}
