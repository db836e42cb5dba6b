//! A Cosmos DB account on a loopback port: the SDK team's own in-memory account behind real HTTP, with real keys.
//!
//! The account keeps items for ever: it knows no time to live, and `_ts` is the machine's time, not the sandbox's.

mod authorization;
mod journal;
mod rival;
mod usage;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::Response;
use azure_core::http::Request as SdkRequest;
use azure_data_cosmos_driver::in_memory_emulator::{
    ConsistencyLevel, ContainerConfig, InMemoryEmulatorHttpClient, VirtualAccountConfig, VirtualRegion,
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::auth::{AnyToken, TokenCheck};
use crate::clock::Clock;
use crate::network::{Dependency, Network, Served};

use authorization::{Caller, Keys, Refused};
pub use journal::{Change, Recorded};
use journal::{Journal, PARTITION_KEY};
pub use rival::Rival;
pub use usage::Usage;

/// The account's only region.
pub const REGION: &str = "West Europe";

/// The key of the account unless another is given (base64, as all account keys are).
pub const KEY: &str = "c2FuZGJveC1jb3Ntb3MtYWNjb3VudC1rZXktb2YtdGhlLWRlbW8tc2hvcC1ub3QtYS1zZWNyZXQhIQ==";

/// Writes that a slow watcher may leave unread before it misses some.
const UNREAD_CHANGES: usize = 4096;

/// How the account is set up.
#[derive(Clone)]
pub struct CosmosOptions {
    /// The database that exists from the start.
    pub database: String,
    /// The container in it.
    pub container: String,
    /// The container's partition key path.
    pub partition_key: String,
    /// The account key, base64.
    pub key: String,
    /// Into how many physical partitions the container is split.
    pub partition_count: u32,
    /// Whether items can set a time to live.
    pub time_to_live: bool,
    /// Judges Entra tokens (`type=aad`).
    pub tokens: Arc<dyn TokenCheck>,
    /// Stamps the journal.
    pub clock: Clock,
}

impl Default for CosmosOptions {
    fn default() -> Self {
        Self {
            database: "EventTrackingDB".to_owned(),
            container: "ProcessedEvents".to_owned(),
            partition_key: "/EventChannelId".to_owned(),
            key: KEY.to_owned(),
            partition_count: 2,
            time_to_live: true,
            tokens: Arc::new(AnyToken),
            clock: Clock::real(),
        }
    }
}

/// The account, served until dropped.
pub struct CosmosAccount {
    served: Served,
    account: Arc<Account>,
}

struct Account {
    url: String,
    options: CosmosOptions,
    keys: Keys,
    memory: InMemoryEmulatorHttpClient,
    usage: Mutex<Usage>,
    journal: Mutex<Journal>,
    role: Mutex<Role>,
    changes: broadcast::Sender<Arc<Change>>,
}

/// What callers with an Entra token may do with the data: the built-in roles, by their last words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Read and write.
    #[default]
    Contributor,
    /// Read.
    Reader,
    /// Nothing.
    None,
}

impl CosmosAccount {
    /// Opens the account on a loopback port (any free one, unless given).
    ///
    /// # Errors
    ///
    /// When the port is taken, the key is not base64, or the account's shape is not allowed.
    pub async fn start(wire: &Network, port: Option<u16>, options: CosmosOptions) -> io::Result<Self> {
        let listener = Network::bind(port).await?;
        // Clients are told this address when they ask the account for its regions, so it must exist beforehand.
        let url = format!("http://{}/", listener.local_addr()?);
        let account = Arc::new(Account::new(url, options)?);
        let router = Router::new().fallback(serve).with_state(account.clone());
        let served = wire.serve_on(Dependency::Cosmos, router, listener)?;
        Ok(Self { served, account })
    }

    /// Where the account listens, and its switch.
    pub fn served(&self) -> &Served {
        &self.served
    }

    /// `http://127.0.0.1:<port>/`.
    pub fn url(&self) -> String {
        self.served.url()
    }

    /// The account key, base64.
    pub fn key(&self) -> &str {
        &self.account.options.key
    }

    /// All items of the container with their system properties, read past the network.
    ///
    /// # Errors
    ///
    /// When the in-memory account refuses or answers something unreadable.
    pub async fn documents(&self) -> io::Result<Vec<Value>> {
        self.account.documents().await
    }

    /// Removes the items that `which` names, past the network, as their time to live would; returns how many.
    ///
    /// # Errors
    ///
    /// As [`CosmosAccount::documents`].
    pub async fn expire(&self, which: impl Fn(&Value) -> bool) -> io::Result<usize> {
        let mut expired = 0;
        for document in self.account.documents().await?.iter().filter(|document| which(document)) {
            self.account.remove(document).await?;
            expired += 1;
        }
        Ok(expired)
    }

    /// Writes an item past the network, over one of the same key if there is any.
    ///
    /// # Errors
    ///
    /// As [`CosmosAccount::documents`].
    pub async fn put(&self, item: &Value) -> io::Result<()> {
        self.account.put(item).await
    }

    /// Gives callers with an Entra token another role.
    pub fn set_role(&self, role: Role) {
        *self.account.role.lock().unwrap_or_else(PoisonError::into_inner) = role;
    }

    /// Which journeys the accepted writes say have started, each as of the first write that says so.
    pub fn journal(&self) -> Vec<Recorded> {
        self.account.journal().recorded()
    }

    /// The items of every accepted write from now on. Writes of one moment may come in any order, and who is slow
    /// misses some: [`CosmosAccount::documents`] has the last word.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.account.changes.subscribe()
    }

    /// Somebody else who writes to the same container.
    pub fn rival(&self) -> Rival {
        Rival::new(self.account.clone())
    }

    /// What has been done with the account so far.
    pub fn usage(&self) -> Usage {
        self.account.usage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Account {
    fn new(url: String, options: CosmosOptions) -> io::Result<Self> {
        let region = VirtualRegion::new(REGION, url.parse().map_err(io::Error::other)?);
        let config = VirtualAccountConfig::new(vec![region])
            .map_err(io::Error::other)?
            .with_consistency(ConsistencyLevel::Session);
        let memory = InMemoryEmulatorHttpClient::try_new(config).map_err(io::Error::other)?;
        let container =
            ContainerConfig::new().with_partition_count(options.partition_count).build().map_err(io::Error::other)?;
        let partition_key = options.partition_key.as_str().into();
        memory.store().create_database(&options.database);
        memory.store().create_container_with_config(&options.database, &options.container, partition_key, container);
        let keys = Keys::new(&options.key, options.tokens.clone())?;
        Ok(Self {
            url,
            options,
            keys,
            memory,
            usage: Mutex::default(),
            journal: Mutex::default(),
            role: Mutex::default(),
            changes: broadcast::Sender::new(UNREAD_CHANGES),
        })
    }

    async fn execute(
        &self,
        method: &str,
        path_and_query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> io::Result<(StatusCode, HeaderMap, Bytes)> {
        let url = format!("{}{}", self.url, path_and_query.trim_start_matches('/'));
        let request = sdk_request(method, &url, headers, body)?;
        let response = self.memory.execute_request(&request).await.map_err(io::Error::other)?;
        let response = response.try_into_raw_response().await.map_err(io::Error::other)?;
        let status = StatusCode::from_u16(response.status().into()).map_err(io::Error::other)?;
        let mut headers = HeaderMap::new();
        for (name, value) in response.headers().iter() {
            headers.append(
                HeaderName::try_from(name.as_str()).map_err(io::Error::other)?,
                HeaderValue::from_str(value.as_str()).map_err(io::Error::other)?,
            );
        }
        let body: &[u8] = response.body().as_ref();
        Ok((status, headers, Bytes::copy_from_slice(body)))
    }

    async fn documents(&self) -> io::Result<Vec<Value>> {
        let path = format!("{}docs", self.container_path());
        let (status, _, body) = self.execute("GET", &path, &HeaderMap::new(), Bytes::new()).await?;
        if !status.is_success() {
            return Err(io::Error::other(format!("the account answered {status} to its own read")));
        }
        let mut feed: Value = serde_json::from_slice(&body)?;
        match feed["Documents"].take() {
            Value::Array(documents) => Ok(documents),
            _ => Err(io::Error::other("the account's feed holds no documents")),
        }
    }

    async fn put(&self, item: &Value) -> io::Result<()> {
        let mut headers = self.partition_of(item)?;
        headers.insert(usage::IS_UPSERT, HeaderValue::from_static("True"));
        let path = format!("{}docs", self.container_path());
        let (status, _, _) = self.execute("POST", &path, &headers, item.to_string().into()).await?;
        if status.is_success() {
            return Ok(());
        }
        Err(io::Error::other(format!("the account answered {status} to a write of its own")))
    }

    /// The header that names an item's logical partition.
    fn partition_of(&self, item: &Value) -> io::Result<HeaderMap> {
        let key = item[self.options.partition_key.trim_start_matches('/')].as_str().unwrap_or_default();
        let value = HeaderValue::from_str(&json!([key]).to_string()).map_err(io::Error::other)?;
        Ok(HeaderMap::from_iter([(HeaderName::from_static(PARTITION_KEY), value)]))
    }

    async fn remove(&self, document: &Value) -> io::Result<()> {
        let id = utf8_percent_encode(document["id"].as_str().unwrap_or_default(), NON_ALPHANUMERIC);
        let headers = self.partition_of(document)?;
        let path = format!("{}docs/{id}", self.container_path());
        let (status, _, _) = self.execute("DELETE", &path, &headers, Bytes::new()).await?;
        // Somebody else may have been quicker.
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(());
        }
        Err(io::Error::other(format!("the account answered {status} to a removal")))
    }

    fn container_path(&self) -> String {
        format!("dbs/{}/colls/{}/", self.options.database, self.options.container)
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut Usage)) {
        change(&mut self.usage.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn sdk_request(method: &str, url: &str, headers: &HeaderMap, body: Bytes) -> io::Result<SdkRequest> {
    let url = url.parse().map_err(io::Error::other)?;
    let mut request = SdkRequest::new(url, method.parse().map_err(io::Error::other)?);
    for (name, value) in headers {
        let value = value.to_str().map_err(io::Error::other)?;
        request.insert_header(name.as_str().to_owned(), value.to_owned());
    }
    request.set_body(body);
    Ok(request)
}

async fn serve(State(account): State<Arc<Account>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(|body| body.to_bytes()) else {
        return problem(StatusCode::BAD_REQUEST, "BadRequest", "The request ended too early.");
    };
    match account.keys.admit(&parts.method, parts.uri.path(), &parts.headers) {
        Ok(Caller::Key) => {}
        Ok(Caller::Entra) => {
            if let Some(blocked) = account.blocked(&parts, &body) {
                account.count(|usage| usage.refused += 1);
                return refusal(&blocked);
            }
        }
        Err(refused) => {
            account.count(|usage| usage.refused += 1);
            return refusal(&refused);
        }
    }
    // In a task of its own: a caller that hangs up must not come between an effect and its entry in the journal.
    let served = tokio::spawn(async move { account.serve(&parts, body).await });
    served
        .await
        .unwrap_or_else(|error| problem(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", &error.to_string()))
}

impl Account {
    /// Why the role of a caller with an Entra token does not allow a request.
    fn blocked(&self, request: &Parts, body: &Bytes) -> Option<Refused> {
        let role = *self.role.lock().unwrap_or_else(PoisonError::into_inner);
        let operations = usage::operations(&request.method, request.uri.path(), &request.headers, body);
        let reads = ["read", "query", "queryPlan", "feed", "metadata"].contains(&operations.request());
        let allowed = match role {
            Role::Contributor => true,
            Role::Reader => reads,
            Role::None => false,
        };
        let action = operations.request();
        (!allowed).then(|| {
            Refused::Forbidden(format!(
                "Request blocked by Auth: the principal does not have required RBAC permissions to perform action [{action}]."
            ))
        })
    }

    async fn serve(&self, request: &Parts, body: Bytes) -> Response {
        let operations = usage::operations(&request.method, request.uri.path(), &request.headers, &body);
        let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
        let at = self.options.clock.now();
        match self.execute(request.method.as_str(), path, &request.headers, body.clone()).await {
            Ok((status, headers, reply)) => {
                let reply = self.with_time_to_live(request, reply);
                self.count(|usage| usage.add(&operations, &headers));
                if status == StatusCode::OK || status == StatusCode::CREATED {
                    self.note(operations.request(), request, &body, (&headers, &reply), at).await;
                }
                let mut response = Response::new(Body::from(reply));
                *response.status_mut() = status;
                *response.headers_mut() = headers;
                response.headers_mut().remove("content-length");
                response
            }
            Err(error) => problem(StatusCode::BAD_REQUEST, "BadRequest", &error.to_string()),
        }
    }
}

impl Account {
    /// The container lets items set their own time to live, which the in-memory account does not say.
    fn with_time_to_live(&self, request: &Parts, reply: Bytes) -> Bytes {
        let is_container = request.method == Method::GET
            && request.uri.path().trim_matches('/') == self.container_path().trim_matches('/');
        if !is_container || !self.options.time_to_live {
            return reply;
        }
        let Ok(Value::Object(mut container)) = serde_json::from_slice(&reply) else { return reply };
        if container.contains_key("id") {
            container.insert("defaultTtl".to_owned(), json!(-1));
        }
        Value::Object(container).to_string().into()
    }
}

fn refusal(refused: &Refused) -> Response {
    match refused {
        Refused::Unauthorized(why) => problem(StatusCode::UNAUTHORIZED, "Unauthorized", why),
        Refused::Forbidden(why) => problem(StatusCode::FORBIDDEN, "Forbidden", why),
    }
}

/// An error in the account's form: <https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb>.
fn problem(status: StatusCode, code: &str, message: &str) -> Response {
    let mut response = Response::new(Body::from(json!({ "code": code, "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    response.headers_mut().insert("x-ms-request-charge", HeaderValue::from_static("0"));
    response
}

#[cfg(test)]
mod tests;
