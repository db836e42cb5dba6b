//! The Web API: from a request to its effect and its answer.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::{Map, Value as JsonValue, json};
use uuid::Uuid;

use super::asked::{Asked, Target};
use super::batch::{self, Batch};
use super::query::{Query, Select};
use super::refusal::{self, ErrorReply};
use super::role::{self, Role};
use super::rows::{Condition, Row, Saved, Value, absent};
use super::schema::Table;
use super::{Dataverse, custom_apis, journeys, payload};
use crate::auth::TokenProblem;
use crate::network::EffectId;

/// More than any row or trigger needs.
const MAX_BODY: usize = 1 << 20;
/// ... or than a batch of a thousand rows does.
const MAX_BATCH: usize = 64 << 20;

pub(super) fn router(dataverse: Dataverse) -> Router {
    Router::new().route("/api/data/v9.2/{*resource}", any(serve)).with_state(dataverse)
}

async fn serve(State(dataverse): State<Dataverse>, request: Request) -> Response {
    let _busy = dataverse.inner.clock.busy();
    let mut response = dataverse.answer(request).await.unwrap_or_else(IntoResponse::into_response);
    response.headers_mut().insert("OData-Version", HeaderValue::from_static("4.0"));
    response
}

impl Dataverse {
    async fn answer(&self, request: Request) -> Result<Response, ErrorReply> {
        self.authorize(request.headers())?;
        let gate = self.inner.gate.as_ref();
        let _pass = gate.map(|gate| gate.enter(self.inner.clock.now())).transpose()?;
        let (parts, body) = request.into_parts();
        let is_batch = batch::is_batch(&parts.uri);
        let body = to_bytes(body, if is_batch { MAX_BATCH } else { MAX_BODY })
            .await
            .map_err(|_| ErrorReply::new(StatusCode::PAYLOAD_TOO_LARGE, "", "The body is too large or incomplete."))?;
        let batch = if is_batch { Some(Batch::read(&parts, &body)?) } else { None };
        let requests = batch.as_ref().map_or(1, Batch::len);
        if let Some(work) = gate.map(|gate| gate.work()).filter(|work| !work.is_zero()) {
            tokio::time::sleep(work * u32::try_from(requests).unwrap_or(u32::MAX)).await;
        }
        // No await from here on: a request takes effect as a whole or not at all.
        if let Some(batch) = batch {
            return batch.run(self).await;
        }
        self.dispatch(&Asked::new(parts, body, self.inner.options.dual_write)?)
    }

    /// The scheme must be `Bearer`, whatever else the issuer's other customers take.
    fn authorize(&self, headers: &HeaderMap) -> Result<(), ErrorReply> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let is_bearer = header.and_then(|header| header.get(..7)).is_some_and(|s| s.eq_ignore_ascii_case("bearer "));
        let judged = match header {
            Some(_) if !is_bearer => Err(TokenProblem::Malformed),
            _ => self.inner.check.check(header),
        };
        judged.map_err(|problem| ErrorReply::new(StatusCode::UNAUTHORIZED, "", format!("Unauthorized: {problem}.")))
    }

    pub(super) fn dispatch(&self, asked: &Asked) -> Result<Response, ErrorReply> {
        let method = asked.method.as_str();
        self.lock().role.admit()?;
        match (&asked.target, method) {
            (Target::WhoAmI, "GET") => Ok(Json(Role::who_am_i(asked)).into_response()),
            (Target::Privilege(user, name), "GET") => self.privilege(*user, name, asked),
            (Target::CustomApis, "GET") => self.custom_apis(asked),
            (Target::WhoAmI | Target::Privilege(..) | Target::CustomApis, _) => Err(not_allowed(&asked.method)),
            (Target::Set(table), "GET") => self.list(*table, asked),
            (Target::Set(Table::Contacts), "POST") => self.create(asked),
            (Target::Row(table, id), "GET") => self.retrieve(*table, *id, asked),
            (Target::Row(Table::Contacts, id), "PATCH") => self.upsert(*id, asked),
            (Target::Row(Table::Contacts, id), "DELETE") => self.delete(*id, asked),
            (Target::Set(table), "POST") | (Target::Row(table, _), "PATCH" | "DELETE") => Err(read_only(*table)),
            (Target::Named(name), "POST") => self.invoke(name, asked),
            (Target::Named(name), _) if self.knows(name) => Err(wrong_method(asked, name)),
            (Target::Named(name), _) => Err(ErrorReply::unknown_segment(name)),
            (Target::Set(_) | Target::Row(..), _) => Err(not_allowed(&asked.method)),
        }
    }

    fn privilege(&self, user: Uuid, name: &str, asked: &Asked) -> Result<Response, ErrorReply> {
        if user != role::USER {
            return Err(ErrorReply::new(StatusCode::NOT_FOUND, refusal::NO_ROW, "There is no such user."));
        }
        self.lock().role.privilege(asked, name).map(|held| Json(held).into_response())
    }

    fn custom_apis(&self, asked: &Asked) -> Result<Response, ErrorReply> {
        let query = custom_apis::Query::parse(asked)?;
        let state = self.lock();
        state.role.demand("Read", "CustomAPI")?;
        state.role.demand("Read", "CustomAPIRequestParameter")?;
        let published = state.triggers.values().filter(|trigger| trigger.published);
        let found = published.filter(|published| query.asks_for(&published.trigger));
        let rows: Vec<JsonValue> = found.map(|published| query.row(&published.trigger)).collect();
        let object = Map::from_iter([("value".to_owned(), JsonValue::Array(rows))]);
        Ok(Json(with_context(asked, "$metadata#customapis", object)).into_response())
    }

    fn demand(&self, action: &str, table: Table) -> Result<(), ErrorReply> {
        self.lock().role.demand(action, role::schema_name(table))
    }

    fn list(&self, table: Table, asked: &Asked) -> Result<Response, ErrorReply> {
        self.demand("Read", table)?;
        let query = Query::parse(table, self.inner.options.dual_write, &asked.options)?;
        let size = asked.page_size()?;
        let page = query.run(&self.lock().rows, size, self.inner.options.max_page_size);
        let object = page.json(|cookie| next_link(asked, table, cookie));
        Ok(Json(with_context(asked, &query.context(), object)).into_response())
    }

    fn retrieve(&self, table: Table, id: Uuid, asked: &Asked) -> Result<Response, ErrorReply> {
        self.demand("Read", table)?;
        let select = self.select(table, asked)?;
        let state = self.lock();
        let row = state.rows.get(table, id).ok_or_else(|| absent(table, id))?;
        if asked.header("If-None-Match") == Some(row.etag().as_str()) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, row.etag())]).into_response());
        }
        Ok(represent(asked, &select, StatusCode::OK, row))
    }

    fn create(&self, asked: &Asked) -> Result<Response, ErrorReply> {
        self.demand("Create", Table::Contacts)?;
        let select = self.select(Table::Contacts, asked)?;
        let changes = payload::read(Table::Contacts, self.inner.options.dual_write, asked.json_body()?)?;
        let id = match changes.get("contactid") {
            Some(Some(Value::Id(id))) => *id,
            _ => Uuid::new_v4(),
        };
        let mut state = self.lock();
        state.rows.save(Table::Contacts, id, changes, Condition::Create, self.inner.clock.now())?;
        let row = state.rows.get(Table::Contacts, id).ok_or_else(|| absent(Table::Contacts, id))?;
        Ok(written(asked, &select, StatusCode::CREATED, row))
    }

    fn upsert(&self, id: Uuid, asked: &Asked) -> Result<Response, ErrorReply> {
        let select = self.select(Table::Contacts, asked)?;
        let condition = asked.condition()?;
        if condition == Condition::Create {
            self.demand("Create", Table::Contacts)?;
        } else {
            self.demand("Write", Table::Contacts)?;
        }
        let changes = payload::read(Table::Contacts, self.inner.options.dual_write, asked.json_body()?)?;
        if let Some(key) = changes.get("contactid")
            && *key != Some(Value::Id(id))
        {
            return Err(ErrorReply::payload("contacts", "The body's contactid is not that of the address."));
        }
        let mut state = self.lock();
        let saved = state.rows.save(Table::Contacts, id, changes, condition, self.inner.clock.now())?;
        let row = state.rows.get(Table::Contacts, id).ok_or_else(|| absent(Table::Contacts, id))?;
        let status = if saved == Saved::Created { StatusCode::CREATED } else { StatusCode::OK };
        Ok(written(asked, &select, status, row))
    }

    fn delete(&self, id: Uuid, asked: &Asked) -> Result<Response, ErrorReply> {
        let condition = asked.condition()?;
        if condition == Condition::Create {
            return Err(ErrorReply::bad_request("", "What must not exist cannot be deleted."));
        }
        self.lock().rows.delete(Table::Contacts, id, condition)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    fn invoke(&self, name: &str, asked: &Asked) -> Result<Response, ErrorReply> {
        if !self.knows(name) {
            return Err(ErrorReply::unknown_segment(name));
        }
        let body = asked.json_body()?;
        let traceparent = asked.header("traceparent");
        let number = journeys::start(&mut self.lock(), name, body, traceparent, self.inner.clock.now())?;
        let mut response = StatusCode::NO_CONTENT.into_response();
        response.extensions_mut().insert(EffectId(number));
        Ok(response)
    }

    fn knows(&self, action: &str) -> bool {
        self.lock().triggers.get(action).is_some_and(|trigger| trigger.published)
    }

    fn select(&self, table: Table, asked: &Asked) -> Result<Select, ErrorReply> {
        Select::of_row(table, self.inner.options.dual_write, &asked.options)
    }
}

/// The answer to a write: the row if it is wanted, and where it is otherwise.
fn written(asked: &Asked, select: &Select, status: StatusCode, row: &Row) -> Response {
    if asked.wants_representation() {
        let mut response = represent(asked, select, status, row);
        let applied = HeaderValue::from_static("return=representation");
        response.headers_mut().insert("Preference-Applied", applied);
        return response;
    }
    let address = format!("{}contacts({})", asked.base, row.id);
    let headers = [(header::LOCATION, address.clone()), (HeaderName::from_static("odata-entityid"), address)];
    (StatusCode::NO_CONTENT, headers, Body::empty()).into_response()
}

fn represent(asked: &Asked, select: &Select, status: StatusCode, row: &Row) -> Response {
    let context = format!("{}/$entity", select.context());
    let body = Json(with_context(asked, &context, select.json(row)));
    (status, [(header::ETAG, row.etag())], body).into_response()
}

fn with_context(asked: &Asked, context: &str, mut object: Map<String, JsonValue>) -> JsonValue {
    object.insert("@odata.context".to_owned(), json!(format!("{}{context}", asked.base)));
    JsonValue::Object(object)
}

/// The query as it came, with the cookie of the next page.
fn next_link(asked: &Asked, table: Table, cookie: &str) -> String {
    let kept = asked.raw_query.split('&').filter(|option| !option.is_empty() && !is_cookie(option));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("$skiptoken={cookie}")]).collect();
    format!("{}{}?{}", asked.base, table.set(), query.join("&"))
}

fn is_cookie(option: &str) -> bool {
    option.starts_with("$skiptoken=") || option.starts_with("%24skiptoken=")
}

/// The application user of the sandbox may read the tables of Dual-write and no more.
fn read_only(table: Table) -> ErrorReply {
    let message = format!("Principal user is missing the privilege to write {}.", table.logical());
    ErrorReply::new(StatusCode::FORBIDDEN, refusal::PRIVILEGE, message)
}

fn wrong_method(asked: &Asked, name: &str) -> ErrorReply {
    let message = format!("No HTTP resource was found that matches the request URI '{}{name}'.", asked.base);
    ErrorReply::new(StatusCode::NOT_FOUND, "", message)
}

fn not_allowed(method: &Method) -> ErrorReply {
    let message = format!("The requested resource does not support http method '{method}'.");
    ErrorReply::new(StatusCode::METHOD_NOT_ALLOWED, "", message)
}
