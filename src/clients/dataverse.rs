//! Dataverse Web API v9.2: contacts, and the custom triggers of Customer Insights - Journeys.
//!
//! Status codes and headers follow "Use the Web API" of the Dataverse developer guide (create, update, conditional
//! operations, service protection limits). Error messages may contain personal data, so our errors contain only codes.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::http::{CallError, Caller, Reply};
use super::identity::Tokens;
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::json::{JsonError, read_json};
use crate::settings::DataverseSettings;

/// A client of one environment.
#[derive(Debug)]
pub struct Dataverse {
    caller: Caller,
    base: Url,
}

/// Why a request to Dataverse failed.
#[derive(Debug, thiserror::Error)]
pub enum DataverseError {
    /// It does not respond, or it throttles. Nothing was changed.
    #[error("Dataverse is not available: {cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// Its `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The request was sent, but no response shows whether it was processed.
    #[error("no answer from Dataverse was received: {0}")]
    AnswerLost(String),
    /// It rejects our identity, or a privilege is missing.
    #[error("Dataverse denies access ({0}); check the application user and its security role")]
    Denied(String),
    /// The row, table or action does not exist.
    #[error("Dataverse has no such {what} ({cause})")]
    NotFound {
        /// What was requested.
        what: &'static str,
        /// Status and code.
        cause: String,
    },
    /// The row exists already, or it has changed since it was read.
    #[error("a Dataverse row exists already or has changed ({0})")]
    Conflict(String),
    /// It rejects the request.
    #[error("Dataverse rejects the request ({0})")]
    Refused(String),
}

impl From<CallError> for DataverseError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Identity(super::identity::IdentityError::Refused { .. }) => Self::Denied(error.to_string()),
            CallError::Identity(_) | CallError::NotSent(_) => {
                Self::Unavailable { cause: error.to_string(), retry_after: None }
            }
            CallError::AnswerLost(cause) => Self::AnswerLost(cause),
        }
    }
}

impl From<JsonError> for DataverseError {
    fn from(error: JsonError) -> Self {
        Self::AnswerLost(error.to_string())
    }
}

/// The columns of a contact that the handler reads.
#[derive(Clone, Debug, Deserialize)]
pub struct ContactRow {
    /// The row's version.
    #[serde(rename = "@odata.etag")]
    pub etag: String,
    /// The row's id.
    pub contactid: Uuid,
    /// The customer's account number in Commerce.
    pub msdyn_contactnumber: Option<String>,
    /// The e-mail address.
    pub emailaddress1: Option<String>,
    /// The company (legal entity), if Dual-write has set one.
    #[serde(rename = "_msdyn_company_value")]
    pub company: Option<Uuid>,
}

/// Columns to set on a contact. Absent columns are not changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ContactColumns {
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firstname: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lastname: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emailaddress1: Option<String>,
    /// Account number in Commerce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_contactnumber: Option<String>,
    /// Party number in Commerce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_partynumber: Option<String>,
    /// Whether the contact is a customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_sellable: Option<bool>,
    /// `/cdm_companies(<id>)`.
    #[serde(rename = "msdyn_company@odata.bind", skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// `/msdyn_customergroups(<id>)`.
    #[serde(rename = "msdyn_customergroupid@odata.bind", skip_serializing_if = "Option::is_none")]
    pub customer_group: Option<String>,
}

#[derive(Deserialize)]
struct Rows<T> {
    value: Vec<T>,
}

/// The rows of a query response.
pub fn read_contacts(reply: &[u8]) -> Result<Vec<ContactRow>, JsonError> {
    read_json::<Rows<ContactRow>>(reply).map(|rows| rows.value)
}

/// The columns of [`ContactRow`].
pub const CONTACT_COLUMNS: &str = "contactid,msdyn_contactnumber,emailaddress1,_msdyn_company_value";

/// The filter for active contacts with one of these account numbers or e-mail addresses. `None` if there are none.
pub fn contact_filter<'a>(people: impl IntoIterator<Item = (Option<&'a str>, &'a [String])>) -> Option<String> {
    let column = |name: &str, value: &str| format!("{name} eq '{}'", value.replace('\'', "''"));
    let either: Vec<String> = people
        .into_iter()
        .flat_map(|(number, emails)| {
            let by_number = number.map(|number| column("msdyn_contactnumber", number));
            by_number.into_iter().chain(emails.iter().map(|email| column("emailaddress1", email)))
        })
        .collect();
    (!either.is_empty()).then(|| format!("statecode eq 0 and ({})", either.join(" or ")))
}

impl Dataverse {
    /// A client with these settings.
    pub fn new(settings: &DataverseSettings, tokens: Tokens, http: &Client, clock: &SharedClock) -> Self {
        let mut base = settings.url.clone();
        base.set_path("/api/data/v9.2/");
        let (http, scheme, clock) = (http.clone(), "Bearer".to_owned(), clock.clone());
        let caller = Caller { dependency: Dependency::Dataverse, http, tokens, scheme, clock };
        Self { caller, base }
    }

    /// The active contacts with this account number or one of these e-mail addresses, oldest first, in one request.
    pub async fn contacts(&self, number: Option<&str>, emails: &[String]) -> Result<Vec<ContactRow>, DataverseError> {
        let Some(filter) = contact_filter([(number, emails)]) else { return Ok(Vec::new()) };
        // Several customers may share an address. Fifty contacts are enough to find the one that belongs to this customer.
        let query = [("$select", CONTACT_COLUMNS), ("$filter", &filter), ("$orderby", "createdon asc"), ("$top", "50")];
        let reply = self.call(Method::GET, "contacts", |request| request.query(&query)).await?;
        Ok(read_contacts(&expect(reply, "contact table")?)?)
    }

    /// Creates the contact with this id. [`DataverseError::Conflict`] if it exists.
    pub async fn create_contact(&self, id: Uuid, columns: &ContactColumns) -> Result<(), DataverseError> {
        self.write_contact(id, columns, "if-none-match", "*").await
    }

    /// Updates a contact that still has this version. [`DataverseError::Conflict`] if it has changed.
    pub async fn update_contact(&self, id: Uuid, etag: &str, columns: &ContactColumns) -> Result<(), DataverseError> {
        self.write_contact(id, columns, "if-match", etag).await
    }

    async fn write_contact(
        &self,
        id: Uuid,
        columns: &ContactColumns,
        guard: &'static str,
        version: &str,
    ) -> Result<(), DataverseError> {
        let reply = self
            .call(Method::PATCH, &format!("contacts({id})"), |request| request.header(guard, version).json(columns))
            .await?;
        expect(reply, "contact").map(drop)
    }

    /// The company (legal entity) with this code.
    pub async fn company(&self, code: &str) -> Result<Option<Uuid>, DataverseError> {
        self.lookup("cdm_companies", "cdm_companyid", &format!("cdm_companycode eq '{}'", code.replace('\'', "''")))
            .await
    }

    /// The customer group with this id in a company.
    pub async fn customer_group(&self, group: &str, company: Uuid) -> Result<Option<Uuid>, DataverseError> {
        let filter = format!("msdyn_groupid eq '{}' and _msdyn_company_value eq {company}", group.replace('\'', "''"));
        self.lookup("msdyn_customergroups", "msdyn_customergroupid", &filter).await
    }

    /// The id of the first matching row. A table that does not exist (no Dual-write) counts as empty.
    async fn lookup(&self, table: &str, key: &str, filter: &str) -> Result<Option<Uuid>, DataverseError> {
        let query = [("$select", key), ("$filter", filter), ("$top", "1")];
        let reply = self.call(Method::GET, table, |request| request.query(&query)).await?;
        let body = match expect(reply, "table") {
            Err(DataverseError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        let rows: Rows<BTreeMap<String, serde_json::Value>> = read_json(&body)?;
        let id = rows
            .value
            .first()
            .and_then(|row| row.get(key))
            .and_then(|id| id.as_str())
            .and_then(|id| Uuid::parse_str(id).ok());
        Ok(id)
    }

    /// Invokes a custom trigger: an unbound action without response. Not idempotent.
    pub async fn invoke(
        &self,
        trigger: &str,
        parameters: &BTreeMap<&str, Box<RawValue>>,
        traceparent: &str,
    ) -> Result<(), DataverseError> {
        let reply = self
            .call(Method::POST, trigger, |request| request.header("traceparent", traceparent).json(parameters))
            .await?;
        // The response of a gateway, or one that is not from Dataverse, does not show whether the trigger ran.
        let unknown_result = matches!(reply.status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
            || (reply.status == StatusCode::INTERNAL_SERVER_ERROR && error_code(&reply.body).is_none());
        if unknown_result {
            return Err(DataverseError::AnswerLost(format!("status {}", reply.status.as_u16())));
        }
        expect(reply, "custom trigger").map(drop)
    }

    /// Reads a resource. The caller interprets the response.
    pub(crate) async fn probe(&self, path: &str, query: &[(&str, &str)]) -> Result<Reply, CallError> {
        self.send(Method::GET, path, |request| request.query(query)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, DataverseError> {
        Ok(self.send(method, path, complete).await?)
    }

    /// Sends a request that `complete` completes. The caller interprets the response. `path` is relative to the Web API.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, CallError> {
        let url = self.url(path);
        let build = |http: &Client| {
            let request = http.request(method.clone(), url.clone());
            complete(
                request
                    .header("accept", "application/json")
                    .header("odata-version", "4.0")
                    .header("odata-maxversion", "4.0"),
            )
        };
        self.caller.call(build).await
    }

    /// The address of a resource.
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }
}

/// The body of a successful response, or the error for its status. `what` was requested.
pub fn expect(reply: Reply, what: &'static str) -> Result<axum::body::Bytes, DataverseError> {
    if reply.status.is_success() {
        return Ok(reply.body);
    }
    let code = error_code(&reply.body).unwrap_or_default();
    let cause = format!("{} {code}", reply.status.as_u16()).trim_end().to_owned();
    Err(match reply.status {
        _ if reply.is_transient() => DataverseError::Unavailable { cause, retry_after: reply.retry_after },
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => DataverseError::Denied(cause),
        StatusCode::NOT_FOUND => DataverseError::NotFound { what, cause },
        StatusCode::PRECONDITION_FAILED => DataverseError::Conflict(cause),
        _ => DataverseError::Refused(cause),
    })
}

/// `error.code` of a Dataverse error body. `None` if the body is not one.
pub(crate) fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
    }
    let Body { error } = serde_json::from_slice(body).ok()?;
    let safe: String = error
        .code
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || "_.".contains(*character))
        .take(60)
        .collect();
    Some(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &'static str) -> DataverseError {
        let status = StatusCode::from_u16(status).unwrap();
        expect(Reply::new(status, Default::default(), body.as_bytes().into(), chrono::Utc::now()), "contact")
            .unwrap_err()
    }

    #[test]
    fn statuses_map_to_errors() {
        let throttled = r#"{"error":{"code":"0x80072322","message":"Number of requests exceeded the limit of 6000"}}"#;
        assert!(
            matches!(error(429, throttled), DataverseError::Unavailable { cause, .. } if cause == "429 0x80072322")
        );
        assert!(matches!(error(503, "<html>"), DataverseError::Unavailable { .. }));
        assert!(matches!(error(401, ""), DataverseError::Denied(_)));
        assert!(matches!(error(403, ""), DataverseError::Denied(_)));
        assert!(matches!(
            error(404, r#"{"error":{"code":"","message":"contact With Id = 1 Does Not Exist"}}"#),
            DataverseError::NotFound { .. }
        ));
        assert!(matches!(
            error(
                412,
                r#"{"error":{"code":"0x80040237","message":"A record with matching key values already exists."}}"#
            ),
            DataverseError::Conflict(_)
        ));
        assert!(
            matches!(error(400, r#"{"error":{"code":"0x0","message":"ann@example.com is too long"}}"#), DataverseError::Refused(cause) if cause == "400 0x0")
        );
    }
}
