//! Dataverse: the application user, the contact table with its columns, the privileges to write, and the tables of
//! Dual-write.
//!
//! Pages: "WhoAmI Function", "RetrieveUserPrivilegeByPrivilegeName Function", "Query data using the Web API".

use reqwest::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::{Finding, Problem, Stage};
use crate::clients::dataverse::{CONTACT_COLUMNS, Meaning, classify, error_code, property_name};
use crate::clients::{CallError, Reply};
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::json::read_json;

/// Columns that the handler writes but does not read.
const WRITTEN_COLUMNS: &str = "firstname,lastname,msdyn_partynumber,msdyn_sellable,_msdyn_customergroupid_value";

/// The privileges of the security role *Commerce Journeys*, at organization level. The last three are for the check only.
pub const PRIVILEGES: [&str; 7] = [
    "prvCreateContact",
    "prvReadContact",
    "prvWriteContact",
    "prvAppendContact",
    "prvReadCustomAPI",
    "prvReadCustomAPIRequestParameter",
    "prvReadUser",
];

/// The same for the lookup columns of a new contact, whose tables exist only with Dual-write.
pub const DUAL_WRITE_PRIVILEGES: [&str; 4] =
    ["prvReadcdm_company", "prvAppendTocdm_company", "prvReadmsdyn_customergroup", "prvAppendTomsdyn_customergroup"];

/// "The user is not a member of the organization."
const NO_SUCH_USER: &str = "0x80072560";

pub(super) async fn check(services: &Services) -> Vec<Finding> {
    let dataverse = &services.dataverse;
    let (who, user) = application_user(dataverse.probe("WhoAmI", &[]).await);
    let mut findings = vec![who];
    let columns = format!("{CONTACT_COLUMNS},{WRITTEN_COLUMNS}");
    let no_contact = format!("contactid eq {}", Uuid::nil());
    let query = [("$select", columns.as_str()), ("$filter", no_contact.as_str()), ("$top", "1")];
    findings.push(table("contact table, reading", dataverse.probe("contacts", &query).await));
    findings.push(match user {
        Some(user) => contact_rights(services, user).await,
        None => Finding::unchecked(Dependency::Dataverse, WRITING, "there is no application user"),
    });
    for (name, key) in [("cdm_companies", "cdm_companyid"), ("msdyn_customergroups", "msdyn_customergroupid")] {
        let no_row = format!("{key} eq {}", Uuid::nil());
        let query = [("$select", key), ("$filter", no_row.as_str()), ("$top", "1")];
        findings.push(dual_write_table(name, dataverse.probe(name, &query).await));
    }
    findings
}

const WRITING: &str = "contact table, writing";

fn application_user(response: Result<Reply, CallError>) -> (Finding, Option<Uuid>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Who {
        user_id: Uuid,
    }
    let what = "application user";
    match response {
        Err(error) => (no_response(what, &error), None),
        Ok(reply) => match read_json::<Who>(&reply.body) {
            Ok(Who { user_id }) if reply.status.is_success() => {
                (Finding::ok(Dependency::Dataverse, what), Some(user_id))
            }
            _ => (rejection(what, &reply), None),
        },
    }
}

/// The response to a query.
#[derive(Deserialize)]
struct Rows {
    value: Option<Vec<serde::de::IgnoredAny>>,
}

fn table(what: &str, response: Result<Reply, CallError>) -> Finding {
    let reply = match response {
        Ok(reply) => reply,
        Err(error) => return no_response(what, &error),
    };
    let has_rows = || read_json::<Rows>(&reply.body).is_ok_and(|rows| rows.value.is_some());
    if reply.status.is_success() && has_rows() {
        return Finding::ok(Dependency::Dataverse, what);
    }
    match missing_column(&reply) {
        Some(column) => failed(
            what,
            Stage::Exists,
            format!("the table has no column {column}"),
            "install the Dual-write core and application solutions in this environment, which bring the msdyn_ columns",
        ),
        None => rejection(what, &reply),
    }
}

/// The column in `Could not find a property named 'x' on type …`. The name of a column is not secret.
fn missing_column(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(&reply.body);
    let name = text.split_once("property named '")?.1.split_once('\'')?.0;
    let is_safe = name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (reply.status == StatusCode::BAD_REQUEST && is_safe).then(|| name.to_owned())
}

/// Without Dual-write these tables do not exist, and contacts are created without references to them.
fn dual_write_table(name: &str, response: Result<Reply, CallError>) -> Finding {
    match response {
        Ok(reply) if reply.status == StatusCode::NOT_FOUND => Finding::unchecked(
            Dependency::Dataverse,
            name,
            "the table does not exist: contacts are created without this reference",
        ),
        response => table(name, response),
    }
}

async fn contact_rights(services: &Services, user: Uuid) -> Finding {
    let path =
        format!("systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=@name)");
    let (mut missing, mut unknown) = (Vec::new(), Vec::new());
    // The requests of this check show whether reading is permitted.
    let not_read = |name: &&str| !name.starts_with("prvRead");
    for privilege in PRIVILEGES.into_iter().chain(DUAL_WRITE_PRIVILEGES).filter(not_read) {
        let literal = format!("'{privilege}'");
        match services.dataverse.probe(&path, &[("@name", literal.as_str())]).await {
            Ok(reply) => match has_privilege(&reply) {
                Some(true) => {}
                Some(false) => missing.push(privilege),
                None => unknown.push(privilege),
            },
            Err(error) => return no_response(WRITING, &error),
        }
    }
    if !missing.is_empty() {
        let mistake = format!("the security role lacks {}", missing.join(", "));
        return failed(WRITING, Stage::Permitted, mistake, ROLE);
    }
    let finding = Finding::ok(Dependency::Dataverse, WRITING);
    match unknown.is_empty() {
        true => finding,
        // An environment without Dual-write does not have the privileges for its tables.
        false => finding.with_note(format!("this environment does not have {}", unknown.join(", "))),
    }
}

/// Whether the user has the privilege. `None` if the environment does not have the privilege.
fn has_privilege(reply: &Reply) -> Option<bool> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Held {
        role_privileges: Vec<serde::de::IgnoredAny>,
    }
    let held = read_json::<Held>(&reply.body).ok().filter(|_| reply.status.is_success())?;
    Some(!held.role_privileges.is_empty())
}

pub(super) const ROLE: &str = "give the application user the security role that the deployment guide describes, with \
    these privileges at the level Organization";

/// Problems that are the same for all requests.
pub(super) fn rejection(what: &str, reply: &Reply) -> Finding {
    let code = error_code(&reply.body).unwrap_or_default();
    let property = property_name(&reply.body);
    let status = format!("{} {code}", reply.status.as_u16());
    let status = status.trim_end();
    if reply.status == StatusCode::UNAUTHORIZED {
        return failed(
            what,
            Stage::Authenticated,
            format!("Dataverse refuses the token ({status})"),
            "set DataverseUrl to the address that the Power Platform admin center shows, and the tenant to the environment's",
        );
    }
    if reply.status.is_success() {
        return failed(
            what,
            Stage::Reached,
            format!("the reply with the status {status} is not from Dataverse"),
            "check DataverseUrl, and whether a proxy or gateway answers in the place of Dataverse",
        );
    }
    let (meaning, why) = classify(reply.status, &code, property.is_some());
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    match meaning {
        Meaning::Denied if code == NO_SUCH_USER => failed(
            what,
            Stage::Authenticated,
            format!("the environment has no such application user ({status})"),
            "in the Power Platform admin center, Environments > Settings > Users > Application users, add the \
             application (DataverseClientId, or the managed identity's client id) with its security role",
        ),
        Meaning::Denied => {
            let privilege = missing_privilege(reply).unwrap_or_else(|| "a privilege".to_owned());
            failed(what, Stage::Permitted, format!("the security role lacks {privilege} ({status})"), ROLE)
        }
        Meaning::Missing => failed(
            what,
            Stage::Exists,
            format!("the requested object does not exist in the environment ({status})"),
            "check that DataverseUrl is the environment that Commerce is linked to",
        ),
        Meaning::Unavailable => {
            failed(what, Stage::Reached, format!("Dataverse is not available ({status}{why})"), "try again later")
        }
        Meaning::Failed => failed(
            what,
            Stage::Reached,
            format!("Dataverse could not process the request ({status}{why})"),
            "try again later; if the code stays, look it up in Microsoft's list of Dataverse Web API errors",
        ),
        Meaning::Invalid | Meaning::Conflict | Meaning::IdTaken | Meaning::KeyTaken | Meaning::Stale => failed(
            what,
            Stage::Exists,
            format!("Dataverse rejects the request ({status}{why})"),
            "look the code up in Microsoft's list of Dataverse Web API errors",
        ),
    }
}

/// The name of the missing privilege. The rest of the message contains names of users and is not repeated.
fn missing_privilege(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(&reply.body);
    let name = &text[text.find("prv")?..];
    Some(name.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').take(80).collect())
}

pub(super) fn no_response(what: &str, error: &CallError) -> Finding {
    let remedy = "check DataverseUrl, name resolution and outbound network access";
    Finding::no_response(Dependency::Dataverse, what, error, remedy)
}

pub(super) fn failed(what: &str, at: Stage, mistake: String, remedy: &str) -> Finding {
    Finding::failed(Dependency::Dataverse, what, at, Problem::new(mistake, remedy))
}
