//! The application user, its role, and the table of custom APIs.

use super::*;

async fn privilege(environment: &Environment, name: &str) -> Answer {
    let who = environment.get("WhoAmI").await;
    let user = who.body["UserId"].as_str().unwrap().to_owned();
    let function = "Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=@p)";
    environment.get(&format!("systemusers({user})/{function}?@p=%27{name}%27")).await
}

#[tokio::test]
async fn a_missing_privilege_is_reported() {
    let environment = Environment::new().await;
    let held = |answer: &Answer| answer.body["RolePrivileges"].as_array().unwrap().len();
    assert_eq!(held(&privilege(&environment, "prvCreateContact").await), 1);
    environment.dataverse.revoke(Some("prvCreateContact"));
    assert_eq!(held(&privilege(&environment, "prvCreateContact").await), 0);
    assert_eq!(privilege(&environment, "prvCreateNothing").await.status, 404);
    let refused = environment.patch(id_of(1), ("If-None-Match", "*"), &json!({"lastname": "A"})).await;
    assert_eq!(refused.error(), (403, error::PRIVILEGE));
    assert!(refused.message().contains("prvCreateContact"), "{}", refused.message());
    assert_eq!(environment.get("contacts").await.status, 200);
    environment.dataverse.revoke(None);
    assert_eq!(environment.get("contacts").await.error(), (403, error::PRIVILEGE));
    assert_eq!(environment.get("cdm_companies").await.error(), (403, error::PRIVILEGE));
}

#[tokio::test]
async fn a_caller_that_is_not_a_user_is_rejected() {
    let environment = Environment::new().await;
    environment.dataverse.set_application_user(false);
    for path in ["WhoAmI", "contacts", "customapis?$filter=uniquename%20eq%20%27x%27"] {
        assert_eq!(environment.get(path).await.error(), (403, error::NOT_A_MEMBER), "{path}");
    }
}

#[tokio::test]
async fn published_triggers_are_custom_apis_with_parameters() {
    let environment = Environment::new().await;
    demo_triggers().into_iter().for_each(|trigger| environment.dataverse.register_trigger(trigger));
    let expand = "$expand=CustomAPIRequestParameters($select=uniquename,type,isoptional)";
    let query = format!(
        "customapis?$select=uniquename,isfunction&{expand}&$filter=uniquename%20eq%20%27{ORDER_CONFIRMATION}%27"
    );
    let answer = environment.get(&query).await;
    let rows = answer.body["value"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["uniquename"], &rows[0]["isfunction"]),
        (1, &json!(ORDER_CONFIRMATION), &json!(false))
    );
    let parameters = rows[0]["CustomAPIRequestParameters"].as_array().unwrap();
    let amount = parameters.iter().find(|parameter| parameter["uniquename"] == "msdynmkt_amountpaid").unwrap();
    assert_eq!((&amount["type"], &amount["isoptional"]), (&json!(2), &json!(false)));
    environment.dataverse.set_published(ORDER_CONFIRMATION, false);
    assert_eq!(environment.get(&query).await.body["value"], json!([]));
    assert_eq!(environment.get(&query.replace("isfunction", "colour")).await.error(), (400, error::UNKNOWN_PROPERTY));
    environment.dataverse.revoke(Some("prvReadCustomAPI"));
    assert_eq!(environment.get(&query).await.error(), (403, error::PRIVILEGE));
}
