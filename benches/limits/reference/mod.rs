//! Microsoft's published sample, replayed: the same calls for the same events in the same order, over the same
//! dependencies with the same latency.
//!
//! Only the sequence of calls is replayed, and it is flattered: what the sample does between its calls costs nothing
//! here, its Logic App does not wait a minute for each message, and Dataverse Search is as quick as a filter.

mod poller;
mod workflow;

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response};
use sandbox::environment::Environment;
use sandbox::network::Dependency;
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::args::Args;
use crate::checkouts::Sellers;
use crate::network::{ExactLatency, environment};

/// What the replay cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReferenceFigures {
    pub(crate) events: usize,
    pub(crate) poll: Side,
    pub(crate) messages: Side,
}

/// One side of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Side {
    pub(crate) elapsed: Duration,
    pub(crate) calls_per_event: f64,
}

/// Replays both sides, one after the other.
pub(crate) async fn measure(args: &Args) -> Result<ReferenceFigures, Failure> {
    let events = args.reference.min(args.checkouts);
    let environment = environment(&ExactLatency::new(args.latency())).await?;
    Sellers::new(&environment, args.customers)?.sell_all(0, events)?;
    let site = Reference::new(&environment).await?;
    let poll = timed(&environment, events, poller::run(&site)).await?;
    let messages = timed(&environment, events, workflow::run(&site, events)).await?;
    Ok(ReferenceFigures { events, poll, messages })
}

async fn timed(
    environment: &Environment,
    events: usize,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<Side, Failure> {
    let calls = |environment: &Environment| environment.network().calls().values().sum::<u64>();
    let (before, began) = (calls(environment), Instant::now());
    work.await?;
    let elapsed = began.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "counts of calls are small")]
    let calls_per_event = (calls(environment) - before) as f64 / events as f64;
    Ok(Side { elapsed, calls_per_event })
}

/// The sample's means: one HTTP client, and tokens.
struct Reference<'a> {
    environment: &'a Environment,
    http: Client,
    dataverse: String,
    bus: String,
}

impl<'a> Reference<'a> {
    async fn new(environment: &'a Environment) -> Result<Self, Failure> {
        let http = Client::builder().no_proxy().build()?;
        let mut site = Self { environment, http, dataverse: String::new(), bus: String::new() };
        site.dataverse = site.managed_token(environment.url(Dependency::Dataverse).trim_end_matches('/')).await?;
        site.bus = site.managed_token("https://servicebus.azure.net").await?;
        Ok(site)
    }

    async fn managed_token(&self, audience: &str) -> Result<String, Failure> {
        let settings = self.environment.settings();
        let query =
            [("api-version", "2019-08-01"), ("resource", audience), ("client_id", &settings["AZURE_CLIENT_ID"])];
        let request = self.http.get(&settings["IDENTITY_ENDPOINT"]).query(&query);
        token(sent(request.header("X-IDENTITY-HEADER", &settings["IDENTITY_HEADER"])).await?).await
    }

    async fn commerce_token(&self) -> Result<String, Failure> {
        let settings = self.environment.settings();
        let address =
            format!("{}{}/oauth2/v2.0/token", settings["AuthorityD365Commerce"], settings["TenantIdD365Commerce"]);
        let scope = format!("{}/.default", settings["AudienceD365Commerce"]);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &settings["CommerceClientIdD365Commerce"]),
            ("client_secret", &settings["CommerceClientSecretD365Commerce"]),
            ("scope", &scope),
        ];
        token(sent(self.http.post(address).form(&form)).await?).await
    }

    fn url(&self, dependency: Dependency, path: &str) -> String {
        format!("{}{path}", self.environment.url(dependency))
    }
}

async fn token(response: Response) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct Granted {
        access_token: String,
    }
    Ok(response.json::<Granted>().await?.access_token)
}

/// Sends a request whose refusal would make the replay worthless.
async fn sent(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(format!("{} answers {status}: {}", response.url().clone(), response.text().await?).into())
}
