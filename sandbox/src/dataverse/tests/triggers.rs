//! Custom triggers.

use super::*;

/// A valid call of the order confirmation for contact 1.
fn confirmation() -> Value {
    json!({
        "msdynmkt_signaltimestamp": "2025-10-09T08:53:20.1234567Z",
        "msdynmkt_signalingestiontimestamp": "2025-10-09T10:53:20+02:00",
        "msdynmkt_signaluserauthid": id_of(1).to_string(),
        "msdynmkt_profileid": id_of(1).to_string(),
        "msdynmkt_bindingid": "4d3c6d6e-0000-4000-8000-000000000001",
        "msdynmkt_amountpaid": 12.5,
        "msdynmkt_channelreferenceid": "",
        "msdynmkt_createddatetime": "2025-10-09T08:53:20Z",
        "msdynmkt_currencycode": "USD",
        "msdynmkt_name": "Ana \"A\" Bo",
        "msdynmkt_receiptemail": "a@b.example",
        "msdynmkt_salesid": "",
    })
}

async fn shop() -> Environment {
    let environment = Environment::new().await;
    environment.dataverse.add_contact(&Contact { id: id_of(1), ..named("Ana", "a@b.example") });
    demo_triggers().into_iter().for_each(|trigger| environment.dataverse.register_trigger(trigger));
    environment
}

fn with(name: &str, value: Value) -> Value {
    let mut body = confirmation();
    body[name] = value;
    body
}

fn without(name: &str) -> Value {
    let mut body = confirmation();
    body.as_object_mut().unwrap().remove(name).unwrap();
    body
}

#[tokio::test]
async fn a_call_starts_a_journey() {
    let environment = shop().await;
    let body = confirmation().to_string().replace("12.5", "184.2200000000000000");
    let request = environment.request(Method::POST, ORDER_CONFIRMATION).header("traceparent", "00-a-b-01");
    let request = request.header("Content-Type", "application/json").body(body.clone());
    let answer = send(request).await;
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    let journey = environment.dataverse.started().remove(0);
    assert_eq!((journey.number, journey.trigger.as_str()), (1, ORDER_CONFIRMATION));
    assert_eq!((journey.contact, journey.at), (Some(id_of(1)), noon()));
    assert_eq!(journey.as_written("msdynmkt_amountpaid").as_deref(), Some("184.2200000000000000"));
    assert_eq!(journey.parameters()["msdynmkt_name"], "Ana \"A\" Bo");
    assert_eq!((journey.body.clone(), journey.traceparent.as_deref()), (body, Some("00-a-b-01")));
}

#[tokio::test]
async fn a_second_call_starts_a_second_journey() {
    let environment = shop().await;
    for number in [1, 2] {
        assert_eq!(environment.post(ORDER_CONFIRMATION, &confirmation()).await.status, 204);
        assert_eq!(environment.dataverse.started().last().unwrap().number, number);
    }
    assert_eq!(environment.dataverse.started_after(1).len(), 1);
    assert!(environment.dataverse.started_after(5).is_empty());
}

#[tokio::test]
async fn a_call_without_a_contact_is_accepted_and_sends_nothing() {
    let environment = shop().await;
    let bodies = [
        with("msdynmkt_profileid", json!(id_of(2).to_string())),
        with("msdynmkt_profileid", json!("ana")),
        with("msdynmkt_signaluserauthid", json!(id_of(2).to_string())),
    ];
    for body in bodies {
        assert_eq!(environment.post(ORDER_CONFIRMATION, &body).await.status, 204);
        assert_eq!(environment.dataverse.started().last().unwrap().contact, None);
    }
}

#[tokio::test]
async fn every_required_parameter_is_required() {
    let environment = shop().await;
    for parameter in demo_triggers().remove(0).parameters {
        let name = parameter.name.as_str();
        let (missing, null) = (without(name), with(name, Value::Null));
        for body in [missing, null] {
            let answer = environment.post(ORDER_CONFIRMATION, &body).await;
            if parameter.optional {
                assert_eq!(answer.status, 204, "{name}");
            } else {
                assert_eq!(answer.error(), (400, "0x80040203"), "{name}");
                assert!(answer.message().contains(name));
            }
        }
    }
    assert_eq!(environment.dataverse.started().len(), 2);
}

#[tokio::test]
async fn parameters_have_types() {
    let environment = shop().await;
    let table = [
        ("msdynmkt_amountpaid", json!("12.5")),
        ("msdynmkt_amountpaid", json!(1e300)),
        ("msdynmkt_amountpaid", json!(true)),
        ("msdynmkt_salesid", json!(5)),
        ("msdynmkt_salesid", json!({})),
        ("msdynmkt_signaltimestamp", json!("2025-10-09T08:53:20")),
        ("msdynmkt_signaltimestamp", json!("yesterday")),
        ("msdynmkt_signaltimestamp", json!(1_760_000_000)),
        ("msdynmkt_bindingid", json!(7)),
        ("msdynmkt_loyaltycardid", json!("undeclared")),
        ("msdynmkt_Name", json!("undeclared")),
    ];
    for (name, value) in table {
        let answer = environment.post(ORDER_CONFIRMATION, &with(name, value.clone())).await;
        assert_eq!(answer.error(), (400, "0x80048d19"), "{name}: {value}");
        assert!(answer.message().contains(name), "{}", answer.message());
    }
    assert!(environment.dataverse.started().is_empty());
}

#[tokio::test]
async fn all_parameter_types_are_checked() {
    let environment = shop().await;
    let kinds = [
        (ParameterKind::Boolean, "true", "\"true\""),
        (ParameterKind::Decimal, "-5", "null"),
        (ParameterKind::Float, "1e-7", "\"NaN\""),
        (ParameterKind::Integer, "-2147483648", "2147483648"),
        (ParameterKind::Integer, "7", "7.0"),
        (ParameterKind::Money, "1.10", "\"1.10\""),
        (ParameterKind::Guid, "\"00000000-0000-0000-0000-000000000001\"", "\"1\""),
    ];
    for (kind, good, bad) in kinds {
        let parameters = vec![Parameter::required("p", kind)];
        environment.dataverse.register_trigger(Trigger { name: "t".to_owned(), parameters });
        let call = |value: &str| {
            let request = environment.request(Method::POST, "t").header("Content-Type", "application/json");
            send(request.body(format!("{{ \"p\" : {value} }}")))
        };
        assert_eq!(call(good).await.status, 204, "{kind:?} {good}");
        assert_eq!(call(bad).await.status, 400, "{kind:?} {bad}");
    }
}

#[tokio::test]
async fn a_body_must_be_json_with_its_content_type() {
    let environment = shop().await;
    let post = || environment.request(Method::POST, ORDER_CONFIRMATION);
    assert_eq!(send(post().body(confirmation().to_string())).await.status, 400);
    let text = post().header("Content-Type", "text/plain").body(confirmation().to_string());
    assert_eq!(send(text).await.status, 415);
    for body in ["", "{", "[]", "\"{}\"", "{\"msdynmkt_name\": \"Ana \"A\" Bo\"}"] {
        let request = post().header("Content-Type", "application/json").body(body);
        assert_eq!(send(request).await.error(), (400, "0x80048d19"), "{body}");
    }
    assert!(environment.dataverse.started().is_empty());
}

#[tokio::test]
async fn an_unknown_or_unpublished_trigger_is_not_found() {
    let environment = shop().await;
    assert_eq!(environment.post("msdynmkt_other_1", &json!({})).await.error(), (404, "0x8006088a"));
    assert_eq!(environment.post(&ORDER_CONFIRMATION.to_uppercase(), &confirmation()).await.status, 404);
    assert!(environment.dataverse.set_published(ORDER_CONFIRMATION, false));
    assert_eq!(environment.post(ORDER_CONFIRMATION, &confirmation()).await.error(), (404, "0x8006088a"));
    assert!(environment.dataverse.set_published(ORDER_CONFIRMATION, true));
    assert_eq!(environment.post(ORDER_CONFIRMATION, &confirmation()).await.status, 204);
    assert!(!environment.dataverse.set_published("msdynmkt_other_1", true));
    let got = environment.get(ORDER_CONFIRMATION).await;
    assert_eq!(got.error(), (404, ""));
    assert!(got.message().starts_with("No HTTP resource was found"));
}

#[tokio::test]
async fn all_demo_triggers_can_be_called() {
    let environment = shop().await;
    for trigger in demo_triggers() {
        let value = |kind| match kind {
            ParameterKind::DateTime => json!("2025-10-09T08:53:20Z"),
            ParameterKind::Decimal => json!(3),
            _ => json!("x"),
        };
        let body: serde_json::Map<_, _> = trigger.parameters.iter().map(|p| (p.name.clone(), value(p.kind))).collect();
        assert_eq!(environment.post(&trigger.name, &Value::Object(body)).await.status, 204, "{}", trigger.name);
    }
}

#[tokio::test]
async fn a_text_with_a_character_that_xml_does_not_allow_is_rejected() {
    let environment = shop().await;
    let answer = environment.post(ORDER_CONFIRMATION, &with("msdynmkt_name", json!("Ana\u{b}Bo"))).await;
    assert_eq!(answer.error(), (400, "0x80040278"));
    assert_eq!(environment.dataverse.started(), []);
}

#[tokio::test]
async fn a_call_shows_whether_its_contact_was_active() {
    let environment = shop().await;
    environment.post(ORDER_CONFIRMATION, &confirmation()).await;
    environment.dataverse.set_active(id_of(1), false);
    environment.post(ORDER_CONFIRMATION, &confirmation()).await;
    let started = environment.dataverse.started();
    assert_eq!((started[0].to_active_contact, started[1].to_active_contact), (true, false));
}
