//! Dataverse Web API v9.2: contacts, and the custom triggers of Customer Insights - Journeys.
//!
//! Status codes and headers follow "Use the Web API" of the Dataverse developer guide (create, update, conditional
//! operations, service protection limits). Error messages may contain personal data, so our errors contain only codes.

mod codes;
mod contact;
mod error;
mod response;
mod search;
mod triggers;

use std::collections::BTreeMap;

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::http::{CallError, Caller, Reply};
use super::identity::Tokens;
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::json::read_json;
use crate::settings::DataverseSettings;
pub(crate) use codes::{Meaning, classify};
use contact::Rows;
pub use contact::{
    CONTACT_COLUMNS, CONTACT_ORDER, ContactColumns, ContactRow, ContactState, contact_filter, contact_filters,
    read_contacts,
};
pub use error::{ConflictKind, DataverseError};
use response::expect_executed;
pub(crate) use response::{error_code, property_name};
pub use response::{expect, expect_json, expect_written};
pub use search::{FoundContacts, MAX_PAGES};

/// A client of one environment.
#[derive(Debug)]
pub struct Dataverse {
    caller: Caller,
    base: Url,
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
        expect_written(reply, id)
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
        let body = match expect_json(reply, "table") {
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
        expect_executed(reply, "custom trigger")
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
        self.send_to(method, self.url(path), complete).await
    }

    /// Sends a request to an address of [`Dataverse::url`] or [`Dataverse::next_page`].
    pub async fn send_to(
        &self,
        method: Method,
        url: Url,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Reply, CallError> {
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
