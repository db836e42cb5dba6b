//! Create, update and upsert: every row of the documented tables.

use super::*;

const NO_CONDITION: (&str, &str) = ("If-None-Match", "null");

#[tokio::test]
async fn a_create_returns_an_address() {
    let environment = Environment::new().await;
    let body = json!({ "firstname": "Ana", "lastname": "Bo", "emailaddress1": "a@b.example", "msdyn_sellable": true });
    let answer = environment.post("contacts", &body).await;
    assert_eq!((answer.status, &answer.body), (204, &Value::Null));
    let contact = environment.dataverse.contacts().remove(0);
    let address = environment.url(&format!("contacts({})", contact.id));
    assert_eq!(answer.header("OData-EntityId"), Some(address.as_str()));
    assert_eq!(contact.full_name.as_deref(), Some("Ana Bo"));
    assert_eq!((contact.sellable, contact.created_on), (Some(true), noon()));
}

#[tokio::test]
async fn a_create_that_returns_the_row_has_no_address() {
    let environment = Environment::new().await;
    let request =
        environment.request(Method::POST, "contacts?$select=contactid").header("Prefer", "return=representation");
    let answer = send(with_json(request, &json!({ "firstname": "Ana" }))).await;
    assert_eq!((answer.status, answer.header("OData-EntityId")), (201, None));
    assert_eq!(answer.header("Preference-Applied"), Some("return=representation"));
    let contact = environment.dataverse.contacts().remove(0);
    assert_eq!(answer.body["contactid"], contact.id.to_string());
    assert_eq!(answer.body.get("firstname"), None);
    assert_eq!(answer.header("ETag"), answer.body["@odata.etag"].as_str());
}

#[tokio::test]
async fn an_upsert_does_not_show_whether_it_created_the_row() {
    let environment = Environment::new().await;
    for name in ["Ana", "Bea"] {
        let answer = environment.patch(id_of(1), NO_CONDITION, &json!({ "firstname": name })).await;
        assert_eq!((answer.status, &answer.body), (204, &Value::Null));
        assert!(answer.header("OData-EntityId").unwrap().ends_with(&format!("contacts({})", id_of(1))));
    }
    let contact = environment.dataverse.contacts().remove(0);
    assert_eq!((contact.id, contact.first_name.as_deref()), (id_of(1), Some("Bea")));
}

#[tokio::test]
async fn an_upsert_that_returns_the_row_shows_whether_it_created_it() {
    let environment = Environment::new().await;
    let mut etags = Vec::new();
    for expected in [201, 200] {
        let preference = ("Prefer", r#"odata.include-annotations="*", return=representation"#);
        let answer = environment.patch(id_of(1), preference, &json!({ "lastname": "Bo" })).await;
        assert_eq!((answer.status, &answer.body["lastname"]), (expected, &json!("Bo")));
        etags.push(answer.header("ETag").unwrap().to_owned());
    }
    assert_ne!(etags[0], etags[1]);
}

#[tokio::test]
async fn an_update_needs_an_existing_row() {
    let environment = Environment::new().await;
    let any = ("If-Match", "*");
    let answer = environment.patch(id_of(1), any, &json!({ "lastname": "Bo" })).await;
    assert_eq!(answer.error(), (404, ""));
    assert!(answer.message().contains("Does Not Exist"));
    assert!(environment.dataverse.contacts().is_empty());
    environment.dataverse.add_contact(&Contact { id: id_of(1), ..Default::default() });
    assert_eq!(environment.patch(id_of(1), any, &json!({ "lastname": "Bo" })).await.status, 204);
}

#[tokio::test]
async fn a_create_needs_an_absent_row() {
    let environment = Environment::new().await;
    let absent = ("If-None-Match", "*");
    assert_eq!(environment.patch(id_of(1), absent, &json!({ "lastname": "Bo" })).await.status, 204);
    let answer = environment.patch(id_of(1), absent, &json!({ "lastname": "Cy" })).await;
    assert_eq!(answer.error(), (412, "0x80040237"));
    assert_eq!(answer.message(), "A record with matching key values already exists.");
    assert_eq!(environment.dataverse.contacts()[0].last_name.as_deref(), Some("Bo"));
}

#[tokio::test]
async fn a_create_with_a_known_id_is_a_duplicate() {
    let environment = Environment::new().await;
    let body = json!({ "contactid": id_of(1).to_string() });
    assert_eq!(environment.post("contacts", &body).await.status, 204);
    assert_eq!(environment.post("contacts", &body).await.error(), (412, "0x80040237"));
}

#[tokio::test]
async fn a_stale_version_is_rejected() {
    let environment = Environment::new().await;
    environment.dataverse.add_contact(&Contact { id: id_of(1), ..Default::default() });
    let etag = environment.get(&format!("contacts({})", id_of(1))).await.header("ETag").unwrap().to_owned();
    assert_eq!(environment.patch(id_of(1), ("If-Match", &etag), &json!({ "lastname": "Bo" })).await.status, 204);
    let answer = environment.patch(id_of(1), ("If-Match", &etag), &json!({ "lastname": "Cy" })).await;
    assert_eq!(answer.error(), (412, "0x80060882"));
    let delete = environment.request(Method::DELETE, &format!("contacts({})", id_of(1)));
    assert_eq!(send(delete.header("If-Match", &etag)).await.error(), (412, "0x80060882"));
    assert_eq!(environment.dataverse.contacts()[0].last_name.as_deref(), Some("Bo"));
    assert_eq!(environment.patch(id_of(2), ("If-Match", &etag), &json!({})).await.error(), (404, ""));
}

#[tokio::test]
async fn an_unchanged_row_is_answered_with_304() {
    let environment = Environment::new().await;
    environment.dataverse.add_contact(&Contact { id: id_of(1), ..Default::default() });
    let path = format!("contacts({})", id_of(1));
    let etag = environment.get(&path).await.header("ETag").unwrap().to_owned();
    assert_eq!(send(environment.request(Method::GET, &path).header("If-None-Match", &etag)).await.status, 304);
    environment.patch(id_of(1), NO_CONDITION, &json!({ "lastname": "Bo" })).await;
    assert_eq!(send(environment.request(Method::GET, &path).header("If-None-Match", &etag)).await.status, 200);
}

#[tokio::test]
async fn a_deleted_row_is_gone() {
    let environment = Environment::new().await;
    environment.dataverse.add_contact(&Contact { id: id_of(1), ..Default::default() });
    let path = format!("contacts({})", id_of(1));
    assert_eq!(send(environment.request(Method::DELETE, &path)).await.status, 204);
    assert_eq!(send(environment.request(Method::DELETE, &path)).await.status, 404);
    assert_eq!(environment.get(&path).await.error(), (404, "0x80040217"));
    assert!(!environment.dataverse.delete_contact(id_of(1)));
}

#[tokio::test]
async fn invalid_conditions_are_rejected() {
    let environment = Environment::new().await;
    for header in [("If-Match", "W/\"x\""), ("If-Match", "\"1\""), ("If-None-Match", "W/\"1\"")] {
        assert_eq!(environment.patch(id_of(1), header, &json!({})).await.status, 400, "{header:?}");
    }
    let both = environment.request(Method::PATCH, &format!("contacts({})", id_of(1))).header("If-Match", "*");
    assert_eq!(send(with_json(both.header("If-None-Match", "*"), &json!({}))).await.status, 400);
    assert!(environment.dataverse.contacts().is_empty());
}

#[tokio::test]
async fn only_one_of_many_concurrent_creates_succeeds() {
    let environment = Environment::new().await;
    let body = json!({ "emailaddress1": "a@b.example" });
    let attempts = (0..40).map(|_| environment.patch(id_of(7), ("If-None-Match", "*"), &body));
    let mut statuses: Vec<u16> = futures::future::join_all(attempts).await.into_iter().map(|a| a.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(statuses[1..].iter().all(|status| *status == 412), "{statuses:?}");
    assert_eq!(environment.dataverse.contacts().len(), 1);
}

#[tokio::test]
async fn only_known_columns_of_the_right_type_are_written() {
    let environment = Environment::new().await;
    let company = environment.dataverse.add_company("usmf", "Contoso").to_string();
    let table = [
        (json!({ "Firstname": "x" }), "0x0"),
        (json!({ "loyaltycard": "x" }), "0x0"),
        (json!({ "firstname": 5 }), "0x80048d19"),
        (json!({ "msdyn_sellable": "true" }), "0x80048d19"),
        (json!({ "statecode": 1.5 }), "0x80048d19"),
        (json!({ "fullname": "x" }), "0x80048d19"),
        (json!({ "_msdyn_company_value": company }), "0x80048d19"),
        (json!({ "firstname": "x".repeat(51) }), "0x80044331"),
        (json!({ "lastname": "x".repeat(51) }), "0x80044331"),
        (json!({ "emailaddress1": format!("{}@b.example", "x".repeat(100)) }), "0x80044331"),
        (json!({ "contactid": "x" }), "0x80048d19"),
        (json!([]), "0x80048d19"),
    ];
    for (body, code) in table {
        assert_eq!(environment.post("contacts", &body).await.error(), (400, code), "{body}");
    }
    assert!(environment.dataverse.contacts().is_empty());
    let fitting = json!({ "firstname": "é".repeat(50), "lastname": "", "emailaddress1": null, "statecode": 0 });
    assert_eq!(environment.post("contacts", &fitting).await.status, 204);
    assert_eq!(environment.dataverse.contacts()[0].last_name, None);
}

#[tokio::test]
async fn a_contact_refers_to_its_company_and_group() {
    let environment = Environment::new().await;
    let company = environment.dataverse.add_company("usrt", "Contoso Retail");
    let group = environment.dataverse.add_customer_group("30", Some(company));
    let body = json!({
        "msdyn_company@odata.bind": format!("/cdm_companies({company})"),
        "msdyn_customergroupid@odata.bind": environment.url(&format!("msdyn_customergroups({group})")),
    });
    assert_eq!(environment.patch(id_of(1), NO_CONDITION, &body).await.status, 204);
    let row = environment.get(&format!("contacts({})?$select=_msdyn_company_value", id_of(1))).await.body;
    assert_eq!(row["_msdyn_company_value"], company.to_string());
    assert_eq!(environment.dataverse.contacts()[0].customer_group, Some(group));
    let unbound = json!({ "msdyn_company@odata.bind": null });
    assert_eq!(environment.patch(id_of(1), NO_CONDITION, &unbound).await.status, 204);
    assert_eq!(environment.dataverse.contacts()[0].company, None);
}

#[tokio::test]
async fn a_reference_to_a_missing_row_is_rejected() {
    let environment = Environment::new().await;
    let company = environment.dataverse.add_company("usrt", "Contoso Retail");
    let table = [
        (json!({ "msdyn_Company@odata.bind": format!("/cdm_companies({company})") }), 400, "0x80048d19"),
        (json!({ "msdyn_company@odata.bind": format!("/msdyn_customergroups({company})") }), 400, "0x80048d19"),
        (json!({ "msdyn_company@odata.bind": "/cdm_companies()" }), 400, "0x80048d19"),
        (json!({ "msdyn_company@odata.bind": format!("/cdm_companies({})", id_of(9)) }), 404, "0x80040217"),
    ];
    for (body, status, code) in table {
        assert_eq!(environment.post("contacts", &body).await.error(), (status, code), "{body}");
    }
    assert!(environment.dataverse.contacts().is_empty());
}

#[tokio::test]
async fn the_address_determines_the_id() {
    let environment = Environment::new().await;
    let other = json!({ "contactid": id_of(2).to_string() });
    assert_eq!(environment.patch(id_of(1), NO_CONDITION, &other).await.status, 400);
    let same = json!({ "contactid": id_of(1).to_string() });
    assert_eq!(environment.patch(id_of(1), NO_CONDITION, &same).await.status, 204);
    let by_email = environment.get("contacts(emailaddress1='a%40b.example')").await;
    assert_eq!(by_email.status, 400);
    assert!(by_email.message().contains("key in the request URI is not valid"));
}
