//! Dataverse: the application user, the contact table with its columns, the rights to write, and Dual-write's tables.
//!
//! Pages: "WhoAmI Function", "RetrieveUserPrivilegeByPrivilegeName Function", "Query data using the Web API".

use reqwest::StatusCode;
use serde::Deserialize;
use uuid::Uuid;

use super::{Finding, Problem, Stage};
use crate::app::App;
use crate::clients::dataverse::{CONTACT_COLUMNS, error_code};
use crate::clients::{CallError, Dependency, Reply};

/// What the handler writes beside what it reads.
const WRITTEN_COLUMNS: &str = "firstname,lastname,msdyn_partynumber,msdyn_sellable,_msdyn_customergroupid_value";

/// What creating and linking contacts takes. The last two concern the look-ups that a new contact may have.
const PRIVILEGES: [&str; 5] = [
    "prvCreateContact",
    "prvWriteContact",
    "prvAppendContact",
    "prvAppendTocdm_company",
    "prvAppendTomsdyn_customergroup",
];

/// "The user is not a member of the organization."
const NO_SUCH_USER: &str = "0x80072560";

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let dataverse = &app.dataverse;
    let (who, user) = application_user(dataverse.probe("WhoAmI", &[]).await);
    let mut findings = vec![who];
    let columns = format!("{CONTACT_COLUMNS},{WRITTEN_COLUMNS}");
    let nobody = format!("contactid eq {}", Uuid::nil());
    let query = [("$select", columns.as_str()), ("$filter", nobody.as_str()), ("$top", "1")];
    findings.push(table("contact table, reading", dataverse.probe("contacts", &query).await));
    findings.push(match user {
        Some(user) => contact_rights(app, user).await,
        None => Finding::untried(Dependency::Dataverse, WRITING, "there is no application user to ask about"),
    });
    for (name, key) in [("cdm_companies", "cdm_companyid"), ("msdyn_customergroups", "msdyn_customergroupid")] {
        let nothing = format!("{key} eq {}", Uuid::nil());
        let query = [("$select", key), ("$filter", nothing.as_str()), ("$top", "1")];
        findings.push(of_dual_write(name, dataverse.probe(name, &query).await));
    }
    findings
}

const WRITING: &str = "contact table, writing";

fn application_user(answer: Result<Reply, CallError>) -> (Finding, Option<Uuid>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Who {
        user_id: Uuid,
    }
    let what = "application user";
    match answer {
        Err(error) => (unanswered(what, &error), None),
        Ok(reply) => match serde_json::from_slice::<Who>(&reply.body) {
            Ok(Who { user_id }) if reply.status.is_success() => {
                (Finding::green(Dependency::Dataverse, what), Some(user_id))
            }
            _ => (refusal(what, &reply), None),
        },
    }
}

fn table(what: &str, answer: Result<Reply, CallError>) -> Finding {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return unanswered(what, &error),
    };
    if reply.status.is_success() {
        return Finding::green(Dependency::Dataverse, what);
    }
    match missing_column(&reply) {
        Some(column) => failed(
            what,
            Stage::Exists,
            format!("the table has no column {column}"),
            "install the Dual-write core and application solutions in this environment, which bring the msdyn_ columns",
        ),
        None => refusal(what, &reply),
    }
}

/// `Could not find a property named 'x' on type …`, the name of a column being no secret.
fn missing_column(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(&reply.body);
    let name = text.split_once("property named '")?.1.split_once('\'')?.0;
    let tame = name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (reply.status == StatusCode::BAD_REQUEST && tame).then(|| name.to_owned())
}

/// Without Dual-write these tables are not there, and contacts are made without reference to them.
fn of_dual_write(name: &str, answer: Result<Reply, CallError>) -> Finding {
    match answer {
        Ok(reply) if reply.status == StatusCode::NOT_FOUND => {
            Finding::untried(Dependency::Dataverse, name, "there is no such table: contacts will not refer to it")
        }
        answer => table(name, answer),
    }
}

async fn contact_rights(app: &App, user: Uuid) -> Finding {
    let path =
        format!("systemusers({user})/Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=@name)");
    let (mut missing, mut untold) = (Vec::new(), Vec::new());
    for privilege in PRIVILEGES {
        let literal = format!("'{privilege}'");
        match app.dataverse.probe(&path, &[("@name", literal.as_str())]).await {
            Ok(reply) => match holds(&reply) {
                Some(true) => {}
                Some(false) => missing.push(privilege),
                None => untold.push(privilege),
            },
            Err(error) => return unanswered(WRITING, &error),
        }
    }
    if !missing.is_empty() {
        let mistake = format!("the security role lacks {}", missing.join(", "));
        return failed(WRITING, Stage::Permitted, mistake, ROLE);
    }
    let finding = Finding::green(Dependency::Dataverse, WRITING);
    match untold.is_empty() {
        true => finding,
        // An environment without Dual-write has no privileges on its tables either.
        false => finding.noting(format!("this environment cannot tell about {}", untold.join(", "))),
    }
}

/// Whether a privilege is held; `None` if the environment does not know it or does not tell.
fn holds(reply: &Reply) -> Option<bool> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Held {
        role_privileges: Vec<serde::de::IgnoredAny>,
    }
    let held = serde_json::from_slice::<Held>(&reply.body).ok().filter(|_| reply.status.is_success())?;
    Some(!held.role_privileges.is_empty())
}

pub(super) const ROLE: &str = "give the application user the security role that the deployment guide describes, with \
    these privileges at the level Organization";

/// What holds for every call.
pub(super) fn refusal(what: &str, reply: &Reply) -> Finding {
    let code = error_code(&reply.body).unwrap_or_default();
    let said = format!("{} {code}", reply.status.as_u16());
    let said = said.trim_end();
    match reply.status {
        StatusCode::UNAUTHORIZED => failed(
            what,
            Stage::Authenticated,
            format!("Dataverse refuses the token ({said})"),
            "set DataverseUrl to the address that the Power Platform admin center shows, and the tenant to the environment's",
        ),
        StatusCode::FORBIDDEN if code == NO_SUCH_USER => failed(
            what,
            Stage::Authenticated,
            format!("the environment has no such application user ({said})"),
            "in the Power Platform admin center, Environments > Settings > Users > Application users, add the \
             application (DataverseClientId, or the managed identity's client id) with its security role",
        ),
        StatusCode::FORBIDDEN => {
            let privilege = missing_privilege(reply).unwrap_or_else(|| "a privilege".to_owned());
            failed(what, Stage::Permitted, format!("the security role lacks {privilege} ({said})"), ROLE)
        }
        StatusCode::NOT_FOUND => failed(
            what,
            Stage::Exists,
            format!("there is no such thing in the environment ({said})"),
            "check that DataverseUrl is the environment that Commerce is linked to",
        ),
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            failed(what, Stage::Reached, format!("Dataverse is not available ({said})"), "try again later")
        }
        _ => failed(
            what,
            Stage::Exists,
            format!("Dataverse does not take the request ({said})"),
            "look the code up in Microsoft's list of Dataverse Web API errors",
        ),
    }
}

/// The name of a privilege in the message of a refusal, which names users too and is not repeated.
fn missing_privilege(reply: &Reply) -> Option<String> {
    let text = String::from_utf8_lossy(&reply.body);
    let name = &text[text.find("prv")?..];
    Some(name.chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '_').take(80).collect())
}

pub(super) fn unanswered(what: &str, error: &CallError) -> Finding {
    let remedy = "check DataverseUrl, name resolution, and that this machine may call out";
    Finding::unanswered(Dependency::Dataverse, what, error, remedy)
}

pub(super) fn failed(what: &str, at: Stage, mistake: String, remedy: &str) -> Finding {
    Finding::failed(Dependency::Dataverse, what, at, Problem::new(mistake, remedy))
}
