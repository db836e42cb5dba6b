//! A parsed request: its target, its conditions, and its preferences.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use uuid::Uuid;

use super::error::ODataError;
use super::payload::guid;
use super::rows::Condition;
use super::schema::Table;
use crate::urlencoded;

/// The root of the Web API.
pub(super) const ROOT: &str = "/api/data/v9.2/";

/// The target of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Set(Table),
    Row(Table, Uuid),
    /// Possibly an action.
    Named(String),
    /// The caller.
    WhoAmI,
    /// Whether a user has a privilege; the argument of the function.
    Privilege(Uuid, String),
    /// The table of custom APIs.
    CustomApis,
}

/// A request.
pub(super) struct ApiRequest {
    pub(super) method: Method,
    /// `http://host/api/data/v9.2/`.
    pub(super) base: String,
    pub(super) target: Target,
    /// The query as it was sent.
    pub(super) raw_query: String,
    /// The decoded query options.
    pub(super) options: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ApiRequest {
    /// Parses a request and checks the common headers.
    pub(super) fn new(parts: Parts, body: Bytes, dual_write: bool) -> Result<Self, ODataError> {
        let Parts { method, uri, headers, .. } = parts;
        check_versions(&headers)?;
        check_accept(&headers)?;
        let raw_query = uri.query().unwrap_or_default().to_owned();
        let unreadable = || ODataError::syntax("The address is not percent-encoded UTF-8.");
        let options = urlencoded::pairs(&raw_query).ok_or_else(unreadable)?;
        let path = percent_encoding::percent_decode_str(uri.path()).decode_utf8().map_err(|_| unreadable())?;
        let target = target(path.strip_prefix(ROOT).unwrap_or(&path), dual_write)?;
        let host =
            uri.authority().map(|authority| authority.as_str()).or_else(|| text(&headers, header::HOST.as_str()));
        let base = format!("http://{}{ROOT}", host.unwrap_or("localhost"));
        Ok(Self { method, base, target, raw_query, options, headers, body })
    }

    /// The text of a header.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// The body, which must have the content type JSON.
    pub(super) fn json_body(&self) -> Result<&[u8], ODataError> {
        let kind = self.header("Content-Type").map(|kind| kind.split(';').next().unwrap_or_default().trim());
        match kind {
            Some(kind) if kind.eq_ignore_ascii_case("application/json") => Ok(&self.body),
            Some(kind) => {
                let message = format!("The request entity's media type '{kind}' is not supported for this resource.");
                Err(ODataError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "", message))
            }
            None => Err(ODataError::bad_request("", "A request with a body must have a Content-Type.")),
        }
    }

    /// The condition of a write. `If-None-Match: null` has no effect: it is meant for caches.
    pub(super) fn condition(&self) -> Result<Condition, ODataError> {
        match (self.header("If-Match"), self.header("If-None-Match").filter(|value| *value != "null")) {
            (None, None) => Ok(Condition::Upsert),
            (Some("*"), None) => Ok(Condition::Update),
            (None, Some("*")) => Ok(Condition::Create),
            (Some(etag), None) => version(etag).map(Condition::UpdateVersion).ok_or_else(|| bad_condition(etag)),
            (_, Some(value)) => Err(bad_condition(value)),
        }
    }

    /// Whether the caller wants the row in the answer.
    pub(super) fn wants_representation(&self) -> bool {
        self.preferences().any(|preference| preference.eq_ignore_ascii_case("return=representation"))
    }

    /// The preferred page size.
    pub(super) fn page_size(&self) -> Result<Option<usize>, ODataError> {
        let sizes = self.preferences().filter_map(|preference| preference.strip_prefix("odata.maxpagesize="));
        let sizes = sizes.map(|size| {
            let valid = size.parse().ok().filter(|size| *size > 0);
            valid.ok_or_else(|| ODataError::bad_request("", format!("The page size '{size}' is not valid.")))
        });
        sizes.last().transpose()
    }

    fn preferences(&self) -> impl Iterator<Item = &str> {
        let values = self.headers.get_all("Prefer").iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(str::trim)
    }
}

fn target(path: &str, dual_write: bool) -> Result<Target, ODataError> {
    match path {
        "WhoAmI" | "WhoAmI()" => return Ok(Target::WhoAmI),
        "customapis" => return Ok(Target::CustomApis),
        _ => {}
    }
    if let Some(rest) = path.strip_prefix("systemusers(") {
        return privilege(rest).ok_or_else(|| ODataError::not_here("This part of systemusers"));
    }
    let (name, key) = match path.split_once('(') {
        Some((name, key)) => (name, Some(key)),
        None => (path, None),
    };
    let table = Table::named(name).filter(|table| dual_write || !table.is_dual_write());
    match (table, key) {
        (Some(table), None) => Ok(Target::Set(table)),
        (Some(table), Some(key)) => {
            let id = key.strip_suffix(')').and_then(guid).ok_or_else(|| bad_key(table))?;
            Ok(Target::Row(table, id))
        }
        (None, None) => Ok(Target::Named(name.to_owned())),
        (None, Some(_)) => Err(ODataError::unknown_segment(name)),
    }
}

/// `<id>)/Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=…)`
fn privilege(rest: &str) -> Option<Target> {
    let (id, function) = rest.split_once(")/")?;
    let argument = function
        .strip_prefix("Microsoft.Dynamics.CRM.RetrieveUserPrivilegeByPrivilegeName(PrivilegeName=")?
        .strip_suffix(')')?;
    Some(Target::Privilege(guid(id)?, argument.to_owned()))
}

/// No table here has an alternate key, so rows are addressed by id.
fn bad_key(table: Table) -> ODataError {
    let message =
        format!("The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{}'.", table.logical());
    ODataError::syntax(message)
}

fn bad_condition(value: &str) -> ODataError {
    ODataError::bad_request("", format!("The condition '{value}' cannot be applied to this request."))
}

/// The row version of an entity tag.
fn version(etag: &str) -> Option<u64> {
    etag.strip_prefix("W/\"")?.strip_suffix('"')?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn check_versions(headers: &HeaderMap) -> Result<(), ODataError> {
    for name in ["OData-Version", "OData-MaxVersion"] {
        if let Some(version) = headers.get(name)
            && version != "4.0"
        {
            return Err(ODataError::bad_request("", format!("The header {name} must be 4.0.")));
        }
    }
    Ok(())
}

fn check_accept(headers: &HeaderMap) -> Result<(), ODataError> {
    let mut ranges = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let json = |range: &str| {
        let range = range.split(';').next().unwrap_or_default().trim();
        ["application/json", "application/*", "*/*"].iter().any(|kind| range.eq_ignore_ascii_case(kind))
    };
    if ranges.peek().is_none() || ranges.any(|ranges| ranges.split(',').any(json)) {
        return Ok(());
    }
    Err(ODataError::new(StatusCode::NOT_ACCEPTABLE, "", "Only JSON is supported."))
}
