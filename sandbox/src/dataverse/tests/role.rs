//! The application user, its role, and the table of custom APIs.

use super::*;

async fn privilege(world: &World, name: &str) -> Answer {
    let who = world.get("WhoAmI").await;
    let user = who.body["UserId"].as_str().unwrap().to_owned();
    let function = "Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=@p)";
    world.get(&format!("systemusers({user})/{function}?@p=%27{name}%27")).await
}

#[tokio::test]
async fn a_role_without_a_privilege_is_refused_and_says_so() {
    let world = World::new().await;
    let held = |answer: &Answer| answer.body["RolePrivileges"].as_array().unwrap().len();
    assert_eq!(held(&privilege(&world, "prvCreateContact").await), 1);
    world.dataverse.revoke(Some("prvCreateContact"));
    assert_eq!(held(&privilege(&world, "prvCreateContact").await), 0);
    assert_eq!(privilege(&world, "prvCreateNothing").await.status, 404);
    let refused = world.patch(id_of(1), ("If-None-Match", "*"), &json!({"lastname": "A"})).await;
    assert_eq!(refused.refusal(), (403, refusal::PRIVILEGE));
    assert!(refused.message().contains("prvCreateContact"), "{}", refused.message());
    assert_eq!(world.get("contacts").await.status, 200);
    world.dataverse.revoke(None);
    assert_eq!(world.get("contacts").await.refusal(), (403, refusal::PRIVILEGE));
    assert_eq!(world.get("cdm_companies").await.refusal(), (403, refusal::PRIVILEGE));
}

#[tokio::test]
async fn who_is_no_member_gets_nothing() {
    let world = World::new().await;
    world.dataverse.set_application_user(false);
    for path in ["WhoAmI", "contacts", "customapis?$filter=uniquename%20eq%20%27x%27"] {
        assert_eq!(world.get(path).await.refusal(), (403, refusal::NOT_A_MEMBER), "{path}");
    }
}

#[tokio::test]
async fn published_triggers_are_custom_apis_with_parameters() {
    let world = World::new().await;
    demo_triggers().into_iter().for_each(|trigger| world.dataverse.register_trigger(trigger));
    let expand = "$expand=CustomAPIRequestParameters($select=uniquename,type,isoptional)";
    let query = format!(
        "customapis?$select=uniquename,isfunction&{expand}&$filter=uniquename%20eq%20%27{ORDER_CONFIRMATION}%27"
    );
    let answer = world.get(&query).await;
    let rows = answer.body["value"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[0]["uniquename"], &rows[0]["isfunction"]),
        (1, &json!(ORDER_CONFIRMATION), &json!(false))
    );
    let parameters = rows[0]["CustomAPIRequestParameters"].as_array().unwrap();
    let amount = parameters.iter().find(|parameter| parameter["uniquename"] == "msdynmkt_amountpaid").unwrap();
    assert_eq!((&amount["type"], &amount["isoptional"]), (&json!(2), &json!(false)));
    world.dataverse.set_published(ORDER_CONFIRMATION, false);
    assert_eq!(world.get(&query).await.body["value"], json!([]));
    assert_eq!(world.get(&query.replace("isfunction", "colour")).await.refusal(), (400, refusal::UNKNOWN_PROPERTY));
    world.dataverse.revoke(Some("prvReadCustomAPI"));
    assert_eq!(world.get(&query).await.refusal(), (403, refusal::PRIVILEGE));
}
