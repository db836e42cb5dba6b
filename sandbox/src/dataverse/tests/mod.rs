//! Dataverse over real HTTP.

mod access;
mod batches;
mod contacts;
mod index;
mod permissions;
mod queries;
mod states;
mod triggers;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::*;
use crate::auth::AnyToken;
use crate::network::{Dependency, Network, NoFaults, Served};

struct Environment {
    dataverse: Dataverse,
    clock: Clock,
    served: Served,
    http: reqwest::Client,
}

/// A complete answer.
struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap()
    }

    fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap()
    }

    /// The status and the code of an error.
    fn error(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

impl Environment {
    async fn new() -> Self {
        Self::with(DataverseOptions::default()).await
    }

    async fn with(options: DataverseOptions) -> Self {
        let clock = Clock::simulated(noon());
        let dataverse = Dataverse::new(clock.clone(), Arc::new(AnyToken), options);
        Self::serve(clock, dataverse).await
    }

    async fn serve(clock: Clock, dataverse: Dataverse) -> Self {
        let network = Network::new(NoFaults::default());
        let served = network.serve(Dependency::Dataverse, dataverse.router(), None).await.unwrap();
        Self { dataverse, clock, served, http: reqwest::Client::new() }
    }

    fn url(&self, path: &str) -> String {
        format!("{}api/data/v9.2/{path}", self.served.url())
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).header("Authorization", "Bearer x")
    }

    async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        send(with_json(self.request(Method::POST, path), body)).await
    }

    async fn patch(&self, id: Uuid, header: (&str, &str), body: &Value) -> Answer {
        let request = self.request(Method::PATCH, &format!("contacts({id})")).header(header.0, header.1);
        send(with_json(request, body)).await
    }

    /// The ids of the contacts that match a filter, which is sent unchanged.
    async fn filter(&self, encoded: &str) -> Answer {
        self.get(&format!("contacts?$select=contactid&$filter={encoded}")).await
    }
}

fn with_json(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("Content-Type", "application/json; charset=utf-8").body(body.to_string())
}

async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
    assert_eq!(headers["odata-version"], "4.0");
    Answer { status, headers, body }
}

fn named(first_name: &str, email: &str) -> Contact {
    Contact { first_name: Some(first_name.to_owned()), email: Some(email.to_owned()), ..Default::default() }
}

fn id_of(n: u128) -> Uuid {
    Uuid::from_u128(n)
}
