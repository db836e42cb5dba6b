//! Access: the right roles at the right scopes, and no keys or passwords.

use std::collections::{BTreeMap, BTreeSet};

use crate::bicep::{Bicep, Declaration, Kind, unquoted};

/// Built-in roles and their ids, from "Azure built-in roles" and from Cosmos DB's "Data plane security reference".
const ROLES: [(&str, &str); 12] = [
    ("storageBlobDataOwner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"),
    ("storageBlobDataContributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
    ("storageBlobDataReader", "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
    ("storageTableDataContributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3"),
    ("serviceBusDataSender", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"),
    ("serviceBusDataOwner", "090c5cfd-751d-490a-894a-3ce6f1109419"),
    ("serviceBusDataReceiver", "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"),
    ("keyVaultSecretsUser", "4633458b-17de-408a-b874-0445c86b69e6"),
    ("monitoringMetricsPublisher", "3913510d-42f4-4e42-8a64-420c390055eb"),
    ("websiteContributor", "de139f84-1756-47ae-9be6-808fbbe84772"),
    ("dataReader", "00000000-0000-0000-0000-000000000001"),
    ("dataContributor", "00000000-0000-0000-0000-000000000002"),
];

#[test]
fn roles_have_their_ids() {
    let roles = Bicep::read("roles.bicep");
    let mut found = BTreeMap::new();
    for list in roles.declared(Kind::Variable) {
        found.extend(roles.body(&list).into_iter().map(|(name, id)| (name, unquoted(roles.text_of(id)))));
    }
    assert_eq!(found, ROLES.into());
}

fn assignments(file: &Bicep) -> Vec<Declaration<'_>> {
    let resources = file.declared(Kind::Resource).into_iter();
    resources.filter(|it| file.text_of(it.node).lines().next().unwrap().contains("oleAssignments@")).collect()
}

/// The role of an assignment, by its name in `roles.bicep`.
fn role<'a>(file: &'a Bicep, assignment: &Declaration<'a>) -> &'a str {
    let id = file.value(assignment, "properties.roleDefinitionId");
    let named = ROLES.iter().find(|(name, _)| id.contains(&format!("Roles.{name}"))).map(|(name, _)| *name);
    named.unwrap_or_else(|| panic!("{}: {id}", assignment.name))
}

#[test]
fn the_app_has_only_the_roles_that_it_needs() {
    let access = Bicep::read("modules/access.bicep");
    let rights: BTreeSet<(&str, &str)> = assignments(&access)
        .iter()
        .filter(|it| access.value(it, "properties.principalId") == "principalId")
        .map(|it| (role(&access, it), access.body(it).get("scope").map_or("cosmos", |scope| access.text_of(*scope))))
        .collect();
    let expected = [
        ("storageBlobDataOwner", "storage"),
        ("storageTableDataContributor", "storage"),
        ("serviceBusDataSender", "orderTopic"),
        ("serviceBusDataReceiver", "orderSubscription"),
        // Only if it is asked for, see below.
        ("serviceBusDataOwner", "orderSubscription"),
        ("keyVaultSecretsUser", "vault"),
        ("monitoringMetricsPublisher", "applicationInsights"),
        ("dataContributor", "cosmos"),
    ];
    assert_eq!(rights, expected.into());
}

#[test]
fn the_right_to_change_the_subscription_is_off_by_default() {
    let access = Bicep::read("modules/access.bicep");
    let right = access.find(Kind::Resource, "readQueueLengthRight");
    assert!(access.text_of(right.node).contains("@2022-04-01' = if (readQueueLength) {"));
    let main = Bicep::read("main.bicep");
    let given = main.value(&main.find(Kind::Module, "access"), "params.readQueueLength");
    assert_eq!(given, "scale.?readQueueLength ?? false");
}

/// Cosmos DB refuses two changes of its roles at once, and a site two changes of its configuration.
#[test]
fn what_cannot_be_changed_at_once_has_an_order() {
    for (file, resource, earlier) in [
        ("modules/access.bicep", "operatorsReadRecords", "records"),
        ("modules/function-app.bicep", "scm", "ftp"),
        ("modules/function-app.bicep", "settings", "app::scm"),
        ("modules/lake-app.bicep", "scm", "ftp"),
        ("modules/lake-app.bicep", "settings", "app::scm"),
    ] {
        let bicep = Bicep::read(file);
        let order = bicep.value(&bicep.find(Kind::Resource, resource), "dependsOn");
        assert_eq!(order.trim_matches(['[', ']']).trim(), earlier, "{file}: {resource}");
    }
}

#[test]
fn operators_may_read_and_the_workflow_may_publish() {
    let access = Bicep::read("modules/access.bicep");
    let others: Vec<&str> = assignments(&access)
        .iter()
        .filter(|it| access.value(it, "properties.principalId") != "principalId")
        .map(|it| role(&access, it))
        .collect();
    assert_eq!(others, ["dataReader"]);
    let deployer = Bicep::read("modules/deployer.bicep");
    let publish = deployer.find(Kind::Resource, "publish");
    assert_eq!(role(&deployer, &publish), "websiteContributor");
    assert_eq!(deployer.value(&publish, "scope"), "apps[index]");
}

/// The roles in a file, with the principal and the scope of each.
fn rights(file: &Bicep) -> BTreeSet<(&str, &str, &str)> {
    let mut rights = BTreeSet::new();
    for it in assignments(file) {
        rights.insert((role(file, &it), file.value(&it, "properties.principalId"), file.value(&it, "scope")));
    }
    rights
}

#[test]
fn the_lake_side_reads_the_export_and_writes_nothing_but_its_own() {
    let expected = [
        ("storageBlobDataOwner", "principalId", "hostStorage"),
        ("storageTableDataContributor", "principalId", "hostStorage"),
        ("storageBlobDataContributor", "principalId", "preparedStorage::blobs::container"),
        ("monitoringMetricsPublisher", "principalId", "applicationInsights"),
        ("storageBlobDataContributor", "customerInsightsPrincipalId", "preparedStorage"),
        ("storageBlobDataReader", "readersGroupId", "preparedStorage"),
    ];
    assert_eq!(rights(&Bicep::read("modules/lake-access.bicep")), expected.into());
    let export = [("storageBlobDataReader", "principalId", "account::blobs::container")];
    assert_eq!(rights(&Bicep::read("modules/lake-reader.bicep")), export.into());
}

#[test]
fn an_assignments_name_is_derived_from_scope_principal_and_role() {
    for name in
        ["modules/access.bicep", "modules/deployer.bicep", "modules/lake-access.bicep", "modules/lake-reader.bicep"]
    {
        let file = Bicep::read(name);
        for assignment in assignments(&file) {
            let id = file.value(&assignment, "name");
            let role = role(&file, &assignment);
            assert!(id.starts_with("guid(") && id.ends_with(&format!("Roles.{role})")), "{}: {id}", assignment.name);
        }
    }
}

#[test]
fn keys_and_passwords_are_switched_off() {
    for (file, resource, property, value) in [
        ("modules/storage.bicep", "account", "properties.allowSharedKeyAccess", "false"),
        ("modules/storage.bicep", "account", "properties.allowBlobPublicAccess", "false"),
        ("modules/cosmos.bicep", "account", "properties.disableLocalAuth", "true"),
        ("modules/service-bus.bicep", "serviceBus", "properties.disableLocalAuth", "true"),
        ("modules/monitoring.bicep", "applicationInsights", "properties.DisableLocalAuth", "true"),
        ("modules/key-vault.bicep", "vault", "properties.enableRbacAuthorization", "true"),
        ("modules/function-app.bicep", "app", "properties.httpsOnly", "true"),
        ("modules/function-app.bicep", "ftp", "properties.allow", "false"),
        ("modules/function-app.bicep", "scm", "properties.allow", "false"),
        ("modules/lake-prepared.bicep", "account", "properties.allowSharedKeyAccess", "false"),
        ("modules/lake-prepared.bicep", "account", "properties.allowBlobPublicAccess", "false"),
        ("modules/lake-app.bicep", "app", "properties.httpsOnly", "true"),
        ("modules/lake-app.bicep", "ftp", "properties.allow", "false"),
        ("modules/lake-app.bicep", "scm", "properties.allow", "false"),
    ] {
        let bicep = Bicep::read(file);
        assert_eq!(bicep.value(&bicep.find(Kind::Resource, resource), property), value, "{file}: {property}");
    }
}

#[test]
fn the_apps_run_as_custom_handlers_on_flex_consumption() {
    for name in ["modules/function-app.bicep", "modules/lake-app.bicep"] {
        runs_as_a_custom_handler_on_flex_consumption(&Bicep::read(name));
    }
    let file = Bicep::read("modules/function-app.bicep");
    let app = file.find(Kind::Resource, "app");
    assert_eq!(file.value(&app, "properties.keyVaultReferenceIdentity"), "identityId");
}

fn runs_as_a_custom_handler_on_flex_consumption(file: &Bicep) {
    let (plan, app) = (file.find(Kind::Resource, "plan"), file.find(Kind::Resource, "app"));
    assert_eq!(file.value(&plan, "sku.name"), "'FC1'");
    assert_eq!(file.value(&app, "properties.functionAppConfig.runtime.name"), "'custom'");
    assert_eq!(file.value(&app, "properties.functionAppConfig.runtime.version"), "'1.0'");
    let authentication = "properties.functionAppConfig.deployment.storage.authentication";
    assert_eq!(file.value(&app, &format!("{authentication}.type")), "'UserAssignedIdentity'");
}
