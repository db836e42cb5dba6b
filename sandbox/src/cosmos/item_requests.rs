//! Requests to the items of a container: reads their headers and bodies, and writes the replies.

use axum::http::{HeaderMap, Method, StatusCode};
use azure_data_cosmos_driver::binary_json;
use serde_json::Value;

use super::account::{Handled, Request};
use super::headers::{CHANGE_FEED, IS_ATOMIC, PARTITION_KEY, is_true, reads_binary, text, wants_content};
use super::items::{Operation, Preconditions};
use super::partition_key::{self, PartitionKey};
use super::patch::Patch;
use super::reply::{Reply, ServiceError, ServiceResult};
use super::store::Container;
use super::usage;

/// The partition key of a request's header; `None` if there is none.
pub(super) fn partition_key_of(headers: &HeaderMap) -> ServiceResult<Option<PartitionKey>> {
    Ok(text(headers, PARTITION_KEY).map(partition_key::from_header).transpose()?.flatten())
}

fn required_partition_key(headers: &HeaderMap) -> ServiceResult<PartitionKey> {
    let missing = || ServiceError::bad_request("PartitionKey value must be supplied for this operation.");
    partition_key_of(headers)?.ok_or_else(missing)
}

/// Reads the JSON of a body in either form.
fn json(body: &[u8]) -> ServiceResult<Value> {
    let value = if binary_json::is_binary(body) {
        binary_json::decode(body).map_err(|error| error.to_string())
    } else {
        serde_json::from_slice(body).map_err(|error| error.to_string())
    };
    value.map_err(|error| ServiceError::bad_request(format!("The request payload is invalid JSON: {error}")))
}

impl Container {
    /// Requests to all items.
    pub(super) fn handle(&mut self, request: &Request<'_>, now: i64) -> ServiceResult<Handled> {
        let Request { method, resource, headers, body } = request;
        if headers.contains_key(CHANGE_FEED) {
            return Err(ServiceError::not_implemented("This account has no change feed."));
        }
        let reply = match usage::kind(method, resource, headers) {
            "feed" => self.feed(headers)?,
            "query" => self.query(headers, body)?,
            "queryPlan" => return self.query_plan(body).map(Handled::from),
            "batch" => return self.handle_batch(request, now),
            "upsert" => return self.point(Operation::Upsert(json(body)?), headers, now),
            "create" => return self.point(Operation::Create(json(body)?), headers, now),
            _ => return Err(not_allowed(method)),
        };
        Ok(in_format(reply, headers).into())
    }

    fn handle_batch(&mut self, request: &Request<'_>, now: i64) -> ServiceResult<Handled> {
        if text(request.headers, IS_ATOMIC).is_some() && !is_true(request.headers, IS_ATOMIC) {
            return Err(ServiceError::not_implemented(
                "This account has no bulk requests. Send the operations one by one or as a transactional batch.",
            ));
        }
        let key = required_partition_key(request.headers)?;
        let mut handled = self.batch(request.body, &key, request.headers, now)?;
        let partition = self.partition_of(partition_key::effective(&key));
        self.partitions[partition].lsn += u64::from(!handled.written.is_empty());
        handled.reply = self.with_session(handled.reply, partition);
        Ok(handled)
    }

    /// Requests to one item.
    pub(super) fn handle_item(&mut self, request: &Request<'_>, id: String, now: i64) -> ServiceResult<Handled> {
        let operation = match *request.method {
            Method::GET => Operation::Read(id),
            Method::PUT => Operation::Replace(id, json(request.body)?),
            Method::PATCH => Operation::Patch(id, Patch::parse(json(request.body)?)?),
            Method::DELETE => Operation::Delete(id),
            _ => return Err(not_allowed(request.method)),
        };
        self.point(operation, request.headers, now)
    }

    fn point(&mut self, operation: Operation, headers: &HeaderMap, now: i64) -> ServiceResult<Handled> {
        let key = required_partition_key(headers)?;
        let outcome = self.execute(operation, &key, &Preconditions::from_headers(headers), now)?;
        let partition = self.partition_of(partition_key::effective(&key));
        self.partitions[partition].lsn += u64::from(outcome.undo.is_some());
        let shows_body = outcome.undo.is_none() || wants_content(headers);
        let body = outcome.body.filter(|_| shows_body).unwrap_or_default();
        let reply = Reply::new(outcome.status, outcome.charge, body).with("etag", outcome.etag);
        let reply = in_format(self.with_session(reply, partition), headers);
        Ok(Handled { written: outcome.written.into_iter().collect(), ..reply.into() })
    }

    /// Adds what a client needs to read its own writes later.
    pub(super) fn with_session(&self, reply: Reply, partition: usize) -> Reply {
        let lsn = self.partitions.get(partition).map_or(0, |partition| partition.lsn);
        reply
            .with("x-ms-session-token", format!("{partition}:1#{lsn}#0={lsn}"))
            .with("x-ms-documentdb-partitionkeyrangeid", partition)
            .with("lsn", lsn)
            .with("x-ms-content-path", self.resource_id())
    }

    /// The id of an item that is addressed by its id or its resource id.
    pub(super) fn id_of(&mut self, name: &str) -> String {
        self.id_of_resource(name).unwrap_or_else(|| name.to_owned())
    }
}

fn not_allowed(method: &Method) -> ServiceError {
    ServiceError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not supported for this resource."))
}

/// Puts the body into the binary form if the caller reads it.
fn in_format(mut reply: Reply, headers: &HeaderMap) -> Reply {
    if reads_binary(headers)
        && let Ok(value) = serde_json::from_slice(&reply.body)
    {
        reply.body = binary_json::encode(&value).into();
    }
    reply
}
