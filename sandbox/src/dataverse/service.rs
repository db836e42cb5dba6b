//! The Web API: executes requests and answers them.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Map, Value as JsonValue, json};
use uuid::Uuid;

use super::batch::{self, Batch};
use super::error::{self, ODataError};
use super::permissions::{self, SecurityRole};
use super::query::{Query, Select};
use super::request::{ApiRequest, Target};
use super::rows::{Condition, Row, Saved, Value, absent};
use super::schema::Table;
use super::{Dataverse, custom_apis, journeys, payload};
use crate::auth::TokenError;
use crate::network::EffectId;

/// Larger than any row or trigger call.
const MAX_BODY: usize = 1 << 20;
/// Larger than a batch of a thousand rows.
const MAX_BATCH: usize = 64 << 20;

pub(super) fn router(dataverse: Dataverse) -> Router {
    Router::new().route("/api/data/v9.2/{*resource}", any(serve)).with_state(dataverse)
}

async fn serve(State(dataverse): State<Dataverse>, request: Request) -> Response {
    let _hold = dataverse.inner.clock.hold();
    let mut response = dataverse.answer(request).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert("OData-Version", HeaderValue::from_static("4.0"));
    response
}

impl Dataverse {
    async fn answer(&self, request: Request) -> Result<Response, ODataError> {
        self.authorize(request.headers())?;
        let gate = self.inner.gate.as_ref();
        let _pass = gate.map(|gate| gate.enter(self.inner.clock.now())).transpose()?;
        let (parts, body) = request.into_parts();
        let is_batch = batch::is_batch(&parts.uri);
        let body = to_bytes(body, if is_batch { MAX_BATCH } else { MAX_BODY })
            .await
            .map_err(|_| ODataError::new(StatusCode::PAYLOAD_TOO_LARGE, "", "The body is too large or incomplete."))?;
        let batch = if is_batch { Some(Batch::read(&parts, &body)?) } else { None };
        let requests = batch.as_ref().map_or(1, Batch::len);
        if let Some(work) = gate.map(|gate| gate.work()).filter(|work| !work.is_zero()) {
            tokio::time::sleep(work * u32::try_from(requests).unwrap_or(u32::MAX)).await;
        }
        // No await after this line: a request takes effect completely or not at all.
        if let Some(batch) = batch {
            return batch.run(self).await;
        }
        self.dispatch(&ApiRequest::new(parts, body, self.inner.options.dual_write)?)
    }

    /// The scheme must be `Bearer`, although the issuer also accepts other schemes.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), ODataError> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_bearer = header.and_then(|header| header.get(..7)).is_some_and(|s| s.eq_ignore_ascii_case("bearer "));
        let checked = match header {
            Some(_) if !is_bearer => Err(TokenError::Malformed),
            _ => self.inner.check.check(header),
        };
        checked.map_err(|error| ODataError::new(StatusCode::UNAUTHORIZED, "", format!("Unauthorized: {error}.")))
    }

    pub(super) fn dispatch(&self, request: &ApiRequest) -> Result<Response, ODataError> {
        let method = request.method.as_str();
        self.lock().role.admit()?;
        match (&request.target, method) {
            (Target::WhoAmI, "GET") => Ok(Json(SecurityRole::who_am_i(request)).into_response()),
            (Target::Privilege(user, name), "GET") => self.privilege(*user, name, request),
            (Target::CustomApis, "GET") => self.custom_apis(request),
            (Target::WhoAmI | Target::Privilege(..) | Target::CustomApis, _) => Err(not_allowed(&request.method)),
            (Target::Set(table), "GET") => self.list(*table, request),
            (Target::Set(Table::Contacts), "POST") => self.create(request),
            (Target::Row(table, id), "GET") => self.retrieve(*table, *id, request),
            (Target::Row(Table::Contacts, id), "PATCH") => self.upsert(*id, request),
            (Target::Row(Table::Contacts, id), "DELETE") => self.delete(*id, request),
            (Target::Set(table), "POST") | (Target::Row(table, _), "PATCH" | "DELETE") => Err(read_only(*table)),
            (Target::Named(name), "POST") => self.invoke(name, request),
            (Target::Named(name), _) if self.knows(name) => Err(wrong_method(request, name)),
            (Target::Named(name), _) => Err(ODataError::unknown_segment(name)),
            (Target::Set(_) | Target::Row(..), _) => Err(not_allowed(&request.method)),
        }
    }

    fn privilege(&self, user: Uuid, name: &str, request: &ApiRequest) -> Result<Response, ODataError> {
        if user != permissions::USER {
            return Err(ODataError::new(StatusCode::NOT_FOUND, error::NO_ROW, "There is no such user."));
        }
        self.lock().role.privilege(request, name).map(|held| Json(held).into_response())
    }

    fn custom_apis(&self, request: &ApiRequest) -> Result<Response, ODataError> {
        let query = custom_apis::Query::parse(request)?;
        let state = self.lock();
        state.role.demand("Read", "CustomAPI")?;
        state.role.demand("Read", "CustomAPIRequestParameter")?;
        let published = state.triggers.values().filter(|trigger| trigger.published);
        let found = published.filter(|published| query.asks_for(&published.trigger));
        let rows: Vec<JsonValue> = found.map(|published| query.row(&published.trigger)).collect();
        let object = Map::from_iter([("value".to_owned(), JsonValue::Array(rows))]);
        Ok(Json(with_context(request, "$metadata#customapis", object)).into_response())
    }

    fn demand(&self, action: &str, table: Table) -> Result<(), ODataError> {
        self.lock().role.demand(action, permissions::schema_name(table))
    }

    fn list(&self, table: Table, request: &ApiRequest) -> Result<Response, ODataError> {
        self.demand("Read", table)?;
        let query = Query::parse(table, self.inner.options.dual_write, &request.options)?;
        let size = request.page_size()?;
        let page = query.run(&self.lock().rows, size, self.inner.options.max_page_size);
        let object = page.json(|cookie| next_link(request, table, cookie));
        Ok(Json(with_context(request, &query.context(), object)).into_response())
    }

    fn retrieve(&self, table: Table, id: Uuid, request: &ApiRequest) -> Result<Response, ODataError> {
        self.demand("Read", table)?;
        let select = self.select(table, request)?;
        let state = self.lock();
        let row = state.rows.get(table, id).ok_or_else(|| absent(table, id))?;
        if request.header("If-None-Match") == Some(row.etag().as_str()) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, row.etag())]).into_response());
        }
        Ok(represent(request, &select, StatusCode::OK, row))
    }

    fn create(&self, request: &ApiRequest) -> Result<Response, ODataError> {
        self.demand("Create", Table::Contacts)?;
        let select = self.select(Table::Contacts, request)?;
        let changes = payload::read(Table::Contacts, self.inner.options.dual_write, request.json_body()?)?;
        let id = match changes.get("contactid") {
            Some(Some(Value::Id(id))) => *id,
            _ => Uuid::new_v4(),
        };
        let mut state = self.lock();
        state.rows.save(Table::Contacts, id, changes, Condition::Create, self.inner.clock.now())?;
        let row = state.rows.get(Table::Contacts, id).ok_or_else(|| absent(Table::Contacts, id))?;
        Ok(written(request, &select, StatusCode::CREATED, row))
    }

    fn upsert(&self, id: Uuid, request: &ApiRequest) -> Result<Response, ODataError> {
        let select = self.select(Table::Contacts, request)?;
        let condition = request.condition()?;
        if condition == Condition::Create {
            self.demand("Create", Table::Contacts)?;
        } else {
            self.demand("Write", Table::Contacts)?;
        }
        let changes = payload::read(Table::Contacts, self.inner.options.dual_write, request.json_body()?)?;
        if let Some(key) = changes.get("contactid")
            && *key != Some(Value::Id(id))
        {
            return Err(ODataError::payload("contacts", "The body's contactid is not that of the address."));
        }
        let mut state = self.lock();
        let saved = state.rows.save(Table::Contacts, id, changes, condition, self.inner.clock.now())?;
        let row = state.rows.get(Table::Contacts, id).ok_or_else(|| absent(Table::Contacts, id))?;
        let status = if saved == Saved::Created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(written(request, &select, status, row))
    }

    fn delete(&self, id: Uuid, request: &ApiRequest) -> Result<Response, ODataError> {
        let condition = request.condition()?;
        if condition == Condition::Create {
            return Err(ODataError::bad_request("", "A delete cannot have the condition If-None-Match."));
        }
        self.lock().rows.delete(Table::Contacts, id, condition)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    fn invoke(&self, name: &str, request: &ApiRequest) -> Result<Response, ODataError> {
        if !self.knows(name) {
            return Err(ODataError::unknown_segment(name));
        }
        let body = request.json_body()?;
        let traceparent = request.header("traceparent");
        let number = journeys::start(&mut self.lock(), name, body, traceparent, self.inner.clock.now())?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.extensions_mut().insert(EffectId(number));
        Ok(response)
    }

    fn knows(&self, action: &str) -> bool {
        self.lock().triggers.get(action).is_some_and(|trigger| trigger.published)
    }

    fn select(&self, table: Table, request: &ApiRequest) -> Result<Select, ODataError> {
        Select::of_row(table, self.inner.options.dual_write, &request.options)
    }
}

/// The answer to a write: the row if the caller wants it, otherwise its address.
fn written(request: &ApiRequest, select: &Select, status: StatusCode, row: &Row) -> Response {
    if request.wants_representation() {
        let mut response = represent(request, select, status, row);
        let applied = HeaderValue::from_static("return=representation");
        response.headers_mut().insert("Preference-Applied", applied);
        return response;
    }
    let address = format!("{}contacts({})", request.base, row.id);
    let headers = [(header::LOCATION, address.clone()), (HeaderName::from_static("odata-entityid"), address)];
    (StatusCode::NO_CONTENT, headers, Body::empty()).into_response()
}

fn represent(request: &ApiRequest, select: &Select, status: StatusCode, row: &Row) -> Response {
    let context = format!("{}/$entity", select.context());
    let body = Json(with_context(request, &context, select.json(row)));
    (status, [(header::ETAG, row.etag())], body).into_response()
}

fn with_context(request: &ApiRequest, context: &str, mut object: Map<String, JsonValue>) -> JsonValue {
    object.insert("@odata.context".to_owned(), json!(format!("{}{context}", request.base)));
    JsonValue::Object(object)
}

/// The original query with the cookie of the next page.
fn next_link(request: &ApiRequest, table: Table, cookie: &str) -> String {
    let kept = request.raw_query.split('&').filter(|option| !option.is_empty() && !is_cookie(option));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("$skiptoken={cookie}")]).collect();
    format!("{}{}?{}", request.base, table.set(), query.join("&"))
}

fn is_cookie(option: &str) -> bool {
    option.starts_with("$skiptoken=") || option.starts_with("%24skiptoken=")
}

/// The application user of the sandbox may only read the Dual-write tables.
fn read_only(table: Table) -> ODataError {
    let message = format!("Principal user is missing the privilege to write {}.", table.logical());
    ODataError::new(StatusCode::FORBIDDEN, error::PRIVILEGE, message)
}

fn wrong_method(request: &ApiRequest, name: &str) -> ODataError {
    let message = format!("No HTTP resource was found that matches the request URI '{}{name}'.", request.base);
    ODataError::new(StatusCode::NOT_FOUND, "", message)
}

fn not_allowed(method: &Method) -> ODataError {
    let message = format!("The requested resource does not support http method '{method}'.");
    ODataError::new(StatusCode::METHOD_NOT_ALLOWED, "", message)
}
