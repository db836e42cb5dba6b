//! Requests for everything that is no item: the account, databases, containers and their partition key ranges.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::account::{Account, Request};
use super::address::Resource;
use super::headers::{IF_NONE_MATCH, is_query, text};
use super::items::check_id;
use super::query::{Candidate, Position};
use super::reply::{Reply, ServiceError, ServiceResult};
use super::store::{Definition, ItemKey, Store};
use super::{REGION, charges, feed, metadata};

/// Partitions of a container that is created by a request.
const PARTITIONS: u32 = 1;

impl Account {
    pub(super) fn metadata(&self, request: &Request<'_>, now: i64) -> ServiceResult<Reply> {
        let mut store = self.store();
        match (request.method, request.resource) {
            (&Method::GET, Resource::Account) => Ok(ok(&metadata::account(&self.url, REGION))),
            (&Method::GET, Resource::Offers) => Ok(ok(&json!({ "_rid": "", "Offers": [], "_count": 0 }))),
            (&Method::POST, Resource::Offers) if is_query(request.headers) => {
                Ok(ok(&json!({ "_rid": "", "Offers": [], "_count": 0 })))
            }
            (_, Resource::Offer(_)) => Err(ServiceError::not_found()),
            _ => store.administer(request, now),
        }
    }
}

impl Store {
    fn administer(&mut self, request: &Request<'_>, now: i64) -> ServiceResult<Reply> {
        match (request.method, request.resource) {
            (&Method::GET | &Method::POST, Resource::Databases) if is_listing(request) => {
                let all = self.databases().map(metadata::database).collect();
                list(request, "", "Databases", all)
            }
            (&Method::POST, Resource::Databases) => {
                let id = new_id(request)?;
                Ok(created(&metadata::database(self.create_database(&id, now)?)))
            }
            (&Method::GET, Resource::Database(name)) => Ok(ok(&metadata::database(self.database(name)?))),
            (&Method::DELETE, Resource::Database(name)) => self.remove_database(name).map(|()| deleted()),
            (&Method::GET | &Method::POST, Resource::Containers(name)) if is_listing(request) => {
                let database = self.database(name)?;
                let all = database.containers().map(metadata::container).collect();
                list(request, &database.resource_id(), "DocumentCollections", all)
            }
            (&Method::POST, Resource::Containers(name)) => {
                let definition = Definition::parse(body(request)?)?;
                Ok(created(&metadata::container(self.create_container(name, definition, PARTITIONS, now)?)))
            }
            (&Method::GET, Resource::Container(path)) => Ok(ok(&metadata::container(self.container(path)?))),
            (&Method::PUT, Resource::Container(path)) => {
                let container = self.container_mut(path)?;
                container.redefine(Definition::parse(body(request)?)?, now)?;
                Ok(ok(&metadata::container(container)))
            }
            (&Method::DELETE, Resource::Container(path)) => self.remove_container(path).map(|()| deleted()),
            (&Method::GET, Resource::PartitionKeyRanges(path)) => {
                let container = self.container(path)?;
                if text(request.headers, IF_NONE_MATCH) == Some(container.etag.as_str()) {
                    return Ok(
                        Reply::new(StatusCode::NOT_MODIFIED, charges::METADATA, "").with("etag", &container.etag)
                    );
                }
                Ok(ok(&metadata::partition_key_ranges(container)).with("etag", &container.etag))
            }
            _ => Err(ServiceError::not_implemented("This account does not have the operation.")),
        }
    }
}

fn is_listing(request: &Request<'_>) -> bool {
    request.method == Method::GET || is_query(request.headers)
}

/// Everything there is of a kind, or what a query selects of it.
fn list(request: &Request<'_>, parent: &str, name: &str, all: Vec<Value>) -> ServiceResult<Reply> {
    let selected = if request.method == Method::GET {
        all
    } else {
        let candidates = all.into_iter().zip(0..).map(|(value, ordinal)| {
            let key = ItemKey { epk: ordinal.into(), id: "".into() };
            Candidate { key, ordinal, value }
        });
        feed::query(request.body)?.page(candidates, usize::MAX, &Position::default()).results
    };
    let count = selected.len();
    Ok(ok(&json!({ "_rid": parent, name: selected, "_count": count })).with("x-ms-item-count", count))
}

fn body(request: &Request<'_>) -> ServiceResult<Value> {
    serde_json::from_slice(request.body).map_err(|error| ServiceError::bad_request(error.to_string()))
}

fn new_id(request: &Request<'_>) -> ServiceResult<String> {
    let body = body(request)?;
    let id = body["id"].as_str().ok_or_else(|| ServiceError::bad_request("'id' is missing."))?;
    check_id(id)?;
    Ok(id.to_owned())
}

fn ok(body: &Value) -> Reply {
    Reply::json(StatusCode::OK, charges::METADATA, body)
}

fn created(body: &Value) -> Reply {
    Reply::json(StatusCode::CREATED, charges::METADATA, body)
}

fn deleted() -> Reply {
    Reply::new(StatusCode::NO_CONTENT, charges::METADATA, "")
}
