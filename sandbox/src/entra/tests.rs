use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::*;
use crate::network::{Dependency, Network, NoFaults, Served};

const AUDIENCE: &str = "https://contoso.crm.dynamics.com";

struct Environment {
    entra: Entra,
    clock: Clock,
    served: Served,
    http: reqwest::Client,
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

impl Environment {
    async fn new() -> Self {
        let clock = Clock::simulated(noon());
        let clients = vec![Client { client_id: "app".to_owned(), secret: "s+e/c=ret".to_owned() }];
        let entra =
            Entra::new(clock.clone(), EntraOptions { tenant: "home".to_owned(), clients, ..Default::default() });
        let served = Network::new(NoFaults::default()).serve(Dependency::Entra, entra.router(), None).await.unwrap();
        Self { entra, clock, served, http: reqwest::Client::new() }
    }

    async fn post(&self, tenant: &str, form: &str) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{tenant}/oauth2/v2.0/token", self.served.url()))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(form.to_owned());
        Self::answer(request).await
    }

    async fn identity(&self, header: Option<&str>, query: &str) -> (u16, Value) {
        let mut request = self.http.get(format!("{}msi/token?{query}", self.served.url()));
        if let Some(header) = header {
            request = request.header("X-IDENTITY-HEADER", header);
        }
        Self::answer(request).await
    }

    async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    async fn token(&self) -> String {
        let (status, body) = self.post("home", &good_form()).await;
        assert_eq!(status, 200);
        body["access_token"].as_str().unwrap().to_owned()
    }

    fn check(&self, token: &str) -> Result<(), TokenError> {
        self.entra.check_for(&[AUDIENCE]).check(Some(&format!("Bearer {token}")))
    }
}

fn good_form() -> String {
    "grant_type=client_credentials&client_id=app&client_secret=s%2Be%2Fc%3Dret\
     &scope=https%3A%2F%2Fcontoso.crm.dynamics.com%2F.default"
        .to_owned()
}

#[tokio::test]
async fn client_credentials_return_a_token() {
    let environment = Environment::new().await;
    let (status, body) = environment.post("home", &good_form()).await;
    assert_eq!(status, 200);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3599);
    assert_eq!(body["ext_expires_in"], 3599);
    assert_eq!(environment.check(body["access_token"].as_str().unwrap()), Ok(()));
}

#[tokio::test]
async fn each_error_has_its_own_code() {
    let environment = Environment::new().await;
    let good = good_form();
    let without = |name: &str| good.split('&').filter(|p| !p.starts_with(name)).collect::<Vec<_>>().join("&");
    let table = [
        ("away", good.clone(), 400, "invalid_request", 90_002),
        ("home", without("grant_type"), 400, "invalid_request", 900_144),
        ("home", good.replace("client_credentials", "password"), 400, "unsupported_grant_type", 70_003),
        ("home", without("client_id"), 400, "invalid_request", 900_144),
        ("home", good.replace("=app", "=other"), 400, "unauthorized_client", 700_016),
        ("home", good.replace("%2Be", "+e"), 401, "invalid_client", 7_000_215),
        ("home", without("client_secret"), 401, "invalid_client", 7_000_216),
        ("home", without("scope"), 400, "invalid_request", 900_144),
        ("home", good.replace("%2F.default", ""), 400, "invalid_scope", 70_011),
        ("home", good.replace("https%3A%2F%2Fcontoso.crm.dynamics.com", ""), 400, "invalid_scope", 70_011),
    ];
    for (tenant, form, status, error, code) in table {
        let (got, body) = environment.post(tenant, &form).await;
        assert_eq!((got, body["error"].as_str()), (status, Some(error)), "{form}");
        assert_eq!(body["error_codes"][0], code);
        assert!(body["error_description"].as_str().unwrap().starts_with(&format!("AADSTS{code}: ")));
    }
    assert_eq!(environment.entra.issued(), 0);
}

#[tokio::test]
async fn a_tenant_with_resources_issues_tokens_for_those_only() {
    let environment = Environment::new().await;
    environment.entra.register_resource(&format!("{AUDIENCE}/"));
    assert_eq!(environment.post("home", &good_form()).await.0, 200);
    let (status, body) = environment.post("home", &good_form().replace("contoso", "fabrikam")).await;
    assert_eq!((status, &body["error"], &body["error_codes"][0]), (400, &"invalid_resource".into(), &500_011.into()));
    let query = "resource=https%3A%2F%2Ffabrikam.crm.dynamics.com&api-version=2019-08-01";
    assert_eq!(environment.identity(Some("sandbox-identity"), query).await.0, 400);
}

#[tokio::test]
async fn a_json_body_is_not_a_form() {
    let environment = Environment::new().await;
    let request =
        environment.http.post(format!("{}home/oauth2/v2.0/token", environment.served.url())).body(good_form());
    let (status, body) = Environment::answer(request.header("Content-Type", "application/json")).await;
    assert_eq!((status, &body["error_codes"][0]), (400, &Value::from(900_144)));
}

#[tokio::test]
async fn a_new_secret_replaces_the_old_one() {
    let environment = Environment::new().await;
    environment.entra.set_secret("app", "rolled");
    assert_eq!(environment.post("home", &good_form()).await.0, 401);
    assert_eq!(environment.post("home", &good_form().replace("s%2Be%2Fc%3Dret", "rolled")).await.0, 200);
}

#[tokio::test]
async fn all_tokens_are_different() {
    let environment = Environment::new().await;
    let _hold = environment.clock.hold();
    assert_ne!(environment.token().await, environment.token().await);
}

#[tokio::test]
async fn a_token_expires_exactly_on_time() {
    let environment = Environment::new().await;
    let token = environment.token().await;
    drop(environment.clock.sleep(Duration::from_secs(3599)).await);
    assert_eq!(environment.check(&token), Ok(()));
    drop(environment.clock.sleep(Duration::from_secs(1)).await);
    assert_eq!(environment.check(&token), Err(TokenError::Expired));
    assert_eq!(environment.check(&environment.token().await), Ok(()));
}

#[tokio::test]
async fn revocation_affects_all_earlier_tokens_and_no_later_ones() {
    let environment = Environment::new().await;
    let token = environment.token().await;
    environment.entra.revoke_all();
    assert_eq!(environment.check(&token), Err(TokenError::Expired));
    assert_eq!(environment.check(&environment.token().await), Ok(()));
}

#[tokio::test]
async fn a_trailing_slash_does_not_change_an_audience() {
    let environment = Environment::new().await;
    let header = format!("Bearer {}", environment.token().await);
    let check = |audience: &str| environment.entra.check_for(&[audience]).check(Some(&header));
    assert_eq!(check("https://contoso.crm.dynamics.com/"), Ok(()));
    assert_eq!(check("https://fabrikam.crm.dynamics.com"), Err(TokenError::WrongAudience));
    assert_eq!(environment.entra.check_for(&["https://a", AUDIENCE]).check(Some(&header)), Ok(()));
}

#[tokio::test]
async fn a_token_of_another_issuer_is_rejected() {
    let (environment, other) = (Environment::new().await, Environment::new().await);
    let token = environment.token().await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    for forged in [other.token().await, format!("{head}x.{signature}"), "x.y.z".to_owned(), "x".to_owned()] {
        assert_eq!(environment.check(&forged), Err(TokenError::Forged));
    }
}

#[tokio::test]
async fn the_header_is_parsed_strictly() {
    let environment = Environment::new().await;
    let token = environment.token().await;
    let check = environment.entra.check_for(&[AUDIENCE]);
    assert_eq!(check.check(None), Err(TokenError::Missing));
    for header in ["Bearer", "Bearer ", "Basic abc", token.as_str()] {
        assert_eq!(check.check(Some(header)), Err(TokenError::Malformed));
    }
    assert_eq!(check.check(Some(&format!("id_token {token}"))), Ok(()));
}

#[tokio::test]
async fn the_identity_endpoint_has_the_format_of_app_service() {
    let environment = Environment::new().await;
    let id = EntraOptions::default().managed_identity.client_id;
    let query = "resource=https%3A%2F%2Fcontoso.crm.dynamics.com&api-version=2019-08-01";
    for query in [query.to_owned(), format!("{query}&client_id={id}")] {
        let (status, body) = environment.identity(Some("sandbox-identity"), &query).await;
        assert_eq!(status, 200);
        let expires_on: i64 = body["expires_on"].as_str().unwrap().parse().unwrap();
        assert_eq!(expires_on, (noon() + TimeDelta::hours(1)).timestamp());
        assert_eq!((&body["token_type"], &body["resource"]), (&Value::from("Bearer"), &Value::from(AUDIENCE)));
        assert_eq!(body["client_id"], id.as_str());
        assert_eq!(environment.check(body["access_token"].as_str().unwrap()), Ok(()));
    }
}

#[tokio::test]
async fn the_identity_endpoint_rejects_unknown_parameters() {
    let environment = Environment::new().await;
    let header = Some("sandbox-identity");
    let table = [
        (None, "resource=r&api-version=2019-08-01", 401),
        (Some("wrong"), "resource=r&api-version=2019-08-01", 401),
        (header, "resource=r&api-version=2017-09-01", 400),
        (header, "resource=r", 400),
        (header, "api-version=2019-08-01", 400),
        (header, "resource=r&api-version=2019-08-01&client_id=nobody", 400),
        (header, "resource=r&api-version=2019-08-01&mi_res_id=x", 400),
    ];
    for (header, query, expected) in table {
        let (status, body) = environment.identity(header, query).await;
        assert_eq!((status, &body["statusCode"]), (expected, &Value::from(expected)), "{query}");
    }
}
