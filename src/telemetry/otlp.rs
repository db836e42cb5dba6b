//! How spans leave: over the HTTP client that the rest of the house uses, so that no second TLS stack comes in.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::Client;
use tokio::runtime::Handle;

/// A client for the exporter's own thread, which is none of Tokio's: its requests run on the runtime.
#[derive(Debug)]
pub(super) struct Transport {
    http: Client,
    runtime: Handle,
}

/// A collector that takes longer has lost its batch.
const PATIENCE: Duration = Duration::from_secs(10);

impl Transport {
    pub(super) fn new() -> reqwest::Result<Self> {
        let http = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
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
