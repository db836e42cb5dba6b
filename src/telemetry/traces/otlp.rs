//! The HTTP transport of the span exporter. It uses `reqwest` like the clients, so there is no second TLS stack.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;

/// A client for the exporter's own thread, which is not a Tokio thread. Its requests run on the runtime.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    runtime: Handle,
}

/// A batch is dropped if the collector does not respond in this time.
const TIMEOUT: Duration = Duration::from_secs(10);

impl Transport {
    pub(super) fn new() -> reqwest::Result<Self> {
        let http = Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, runtime: Handle::current() })
    }
}

#[async_trait]
impl HttpClient for Transport {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let http = self.http.clone();
        self.runtime.spawn(async move { send(&http, request).await }).await?
    }
}

async fn send(http: &Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let reply = http.execute(request.try_into()?).await?;
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = reply.status();
    *response.headers_mut() = reply.headers().clone();
    *response.body_mut() = reply.bytes().await?;
    Ok(response)
}
