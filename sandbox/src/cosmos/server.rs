//! The account behind HTTP.

use std::sync::{Arc, PoisonError};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use http_body_util::BodyExt as _;

use super::Role;
use super::account::{self, Account};
use super::address::Resource;
use super::authorization::{Caller, Refused};
use super::reply::ServiceError;
use super::usage;

/// Answers one request.
pub(super) async fn serve(State(account): State<Arc<Account>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
        return ServiceError::bad_request("The request ended too early.").into_reply(0.0).into_response();
    };
    let resource = Resource::of_path(parts.uri.path());
    let is_by_id = account.is_by_id(&resource);
    let request = account::Request { method: &parts.method, resource: &resource, headers: &parts.headers, body: &body };
    let admitted = account.keys.admit(&parts.method, parts.uri.path(), is_by_id, &parts.headers);
    match admitted.and_then(|caller| account.check_role(caller, &request)) {
        Ok(()) => account.handle(&request).into_response(),
        Err(refused) => {
            account.usage().refused += 1;
            refusal(refused).into_reply(0.0).into_response()
        }
    }
}

impl Account {
    /// Whether a path addresses its resource by resource ids instead of names.
    fn is_by_id(&self, resource: &Resource) -> bool {
        let name = match resource {
            Resource::Database(database) | Resource::Containers(database) => database,
            Resource::Container(path)
            | Resource::PartitionKeyRanges(path)
            | Resource::Items(path)
            | Resource::Item(path, _) => &path.database,
            _ => return false,
        };
        self.store().database(name).is_ok_and(|database| database.id != *name)
    }

    /// Callers with an Entra token may do what their role allows.
    fn check_role(&self, caller: Caller, request: &account::Request<'_>) -> Result<(), Refused> {
        let action = usage::kind(request.method, request.resource, request.headers);
        let reads = ["read", "query", "queryPlan", "feed", "metadata"].contains(&action);
        let is_allowed = match (caller, *self.role.lock().unwrap_or_else(PoisonError::into_inner)) {
            (Caller::Key, _) | (Caller::Entra, Role::Contributor) => true,
            (Caller::Entra, Role::Reader) => reads,
            (Caller::Entra, Role::None) => false,
        };
        if is_allowed {
            return Ok(());
        }
        Err(Refused::Forbidden(format!(
            "Request blocked by Auth: the principal does not have required RBAC permissions to perform action [{action}]."
        )))
    }
}

fn refusal(refused: Refused) -> ServiceError {
    match refused {
        Refused::Unauthorized(why) => ServiceError::new(StatusCode::UNAUTHORIZED, why),
        Refused::Forbidden(why) => ServiceError::new(StatusCode::FORBIDDEN, why),
    }
}
