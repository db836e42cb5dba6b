//! Inactive and merged contacts, alternate keys, the collation, and characters that XML does not allow.

use super::*;

const CREATE: (&str, &str) = ("If-None-Match", "*");

#[tokio::test]
async fn a_merged_contact_is_inactive_and_names_its_master() {
    let environment = Environment::new().await;
    for n in [1, 2] {
        environment.dataverse.add_contact(&Contact { id: id_of(n), ..named("Ana", "a@b.example") });
    }
    assert!(environment.dataverse.merge_contact(id_of(1), id_of(2)));
    let select = "contacts?$select=statecode,merged,_masterid_value&$orderby=statecode%20asc";
    let rows = environment.get(select).await.body["value"].clone();
    assert_eq!((&rows[0]["statecode"], &rows[0]["merged"]), (&json!(0), &json!(false)));
    assert_eq!((&rows[1]["statecode"], &rows[1]["merged"]), (&json!(1), &json!(true)));
    assert_eq!(rows[1]["_masterid_value"], id_of(2).to_string());
    let body = json!({ "masterid@odata.bind": format!("/contacts({})", id_of(1)) });
    assert_eq!(environment.patch(id_of(2), ("If-Match", "*"), &body).await.status, 400);
}

#[tokio::test]
async fn an_alternate_key_is_unique_among_active_and_inactive_rows() {
    let environment = Environment::new().await;
    environment.dataverse.add_contact_key(&["emailaddress1"]);
    environment.dataverse.add_contact(&Contact { id: id_of(1), inactive: true, ..named("Ana", "a@b.example") });
    let email = |email: &str| json!({ "emailaddress1": email });
    let clash = environment.patch(id_of(2), CREATE, &email("A@b.example ")).await;
    assert_eq!(clash.error(), (412, "0x80060892"));
    assert_eq!(environment.dataverse.contact_count(), 1);
    assert_eq!(environment.patch(id_of(2), CREATE, &email("b@b.example")).await.status, 204);
    assert_eq!(environment.patch(id_of(2), ("If-Match", "*"), &email("a@b.example")).await.error().0, 412);
    // Rows without a value, and the row itself, do not clash.
    assert_eq!(environment.patch(id_of(3), CREATE, &json!({ "lastname": "X" })).await.status, 204);
    assert_eq!(environment.patch(id_of(1), ("If-Match", "*"), &email("a@b.example")).await.status, 204);
}

#[tokio::test]
async fn queries_ignore_accents_and_blanks_at_the_end() {
    let environment = Environment::new().await;
    environment.dataverse.add_contact(&named("José", "josé@b.example "));
    let found = environment.filter("emailaddress1%20eq%20'JOSE@b.example'").await;
    assert_eq!(found.body["value"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn characters_that_xml_does_not_allow_are_rejected() {
    let environment = Environment::new().await;
    for name in ["Ana\u{b}", "\u{0}", "\u{ffff}"] {
        let refused = environment.patch(id_of(1), CREATE, &json!({ "firstname": name })).await;
        assert_eq!(refused.error(), (400, "0x80040278"), "{name:?}");
        assert!(refused.message().contains("firstname"));
    }
    assert_eq!(environment.patch(id_of(1), CREATE, &json!({ "firstname": "A\tn\na\u{1f600}" })).await.status, 204);
}
