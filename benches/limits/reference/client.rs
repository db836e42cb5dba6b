//! The requests of the sample.

use reqwest::{Client, RequestBuilder, Response};
use sandbox::environment::Environment;
use sandbox::network::Dependency;
use serde::Deserialize;

use crate::failure::Failure;

/// The sample's HTTP client and its tokens.
pub(super) struct Reference<'a> {
    pub(super) environment: &'a Environment,
    pub(super) http: Client,
    pub(super) dataverse: String,
    pub(super) bus: String,
}

impl<'a> Reference<'a> {
    pub(super) async fn new(environment: &'a Environment) -> Result<Self, Failure> {
        let http = Client::builder().no_proxy().build()?;
        let mut site = Self { environment, http, dataverse: String::new(), bus: String::new() };
        site.dataverse = site.managed_token(environment.url(Dependency::Dataverse).trim_end_matches('/')).await?;
        site.bus = site.managed_token("https://servicebus.azure.net").await?;
        Ok(site)
    }

    pub(super) async fn managed_token(&self, audience: &str) -> Result<String, Failure> {
        let settings = self.environment.settings();
        let query =
            [("api-version", "2019-08-01"), ("resource", audience), ("client_id", &settings["AZURE_CLIENT_ID"])];
        let request = self.http.get(&settings["IDENTITY_ENDPOINT"]).query(&query);
        token(sent(request.header("X-IDENTITY-HEADER", &settings["IDENTITY_HEADER"])).await?).await
    }

    pub(super) async fn commerce_token(&self) -> Result<String, Failure> {
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

    pub(super) fn url(&self, dependency: Dependency, path: &str) -> String {
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

/// Sends a request. A response that is not successful would make the replay invalid.
pub(super) async fn sent(request: RequestBuilder) -> Result<Response, Failure> {
    let response = request.send().await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    Err(format!("{} answers {status}: {}", response.url().clone(), response.text().await?).into())
}
