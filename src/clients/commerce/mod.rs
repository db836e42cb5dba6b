//! The Commerce Scale Unit's Retail Server API.
//!
//! Events come from the CSU extension's `CommerceEventsController`. Orders, carts and customers come from the standard
//! controllers. The `OUN` header of every request selects the channel.

mod codes;
mod error;
mod odata;
mod response;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::http::{CallError, Caller, Reply};
use super::identity::Tokens;
use super::single_flight::{Cached, SingleFlight};
use crate::clock::SharedClock;
use crate::dependency::Dependency;
use crate::events::Numbers;
use crate::json::{ObjectText, read_json};
use crate::settings::CommerceSettings;
use crate::telemetry::LogEvent;
pub(crate) use codes::{Meaning, describe, error_name, is_page, known_error, meaning};
pub use error::CommerceError;
use odata::{literal, number, segment, whole_seconds};
use response::{CUSTOMER, Wanted, entity, expect};
pub use response::{FoundEvents, read_events};

const API_VERSION: (&str, &str) = ("api-version", "7.3");

/// A client of one Scale Unit.
#[derive(Debug)]
pub struct Commerce {
    caller: Caller,
    endpoint: Url,
    operating_unit: String,
    /// Operating unit numbers by channel. Concurrent callers share one request, and its failure.
    units: Mutex<HashMap<String, Arc<SingleFlight<OperatingUnit, CommerceError>>>>,
    permits: Semaphore,
    /// Versions of the Scale Unit differ in the verb of the order request. The working one is remembered.
    orders_by_post: AtomicBool,
}

/// The operating unit of a channel.
#[derive(Clone, Debug)]
pub struct OperatingUnit {
    /// Its number.
    pub number: String,
    /// Why it is the configured one instead of the channel's.
    pub substituted: Option<CommerceError>,
}

/// An order or a cart.
#[derive(Clone, Debug)]
pub struct Purchase {
    /// The text that the Scale Unit returned.
    pub text: ObjectText,
    /// The numbers in it.
    pub numbers: Numbers,
}

impl Purchase {
    fn read(reply: Reply, wanted: Wanted<'_>) -> Result<Self, CommerceError> {
        let (text, numbers) = entity(reply, wanted, Numbers::of)?;
        Ok(Self { text, numbers })
    }
}

/// One page of a search.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// Number of events to skip.
    pub skip: usize,
    /// Maximum number of events.
    pub top: usize,
}

impl Commerce {
    /// A client with these settings.
    pub fn new(settings: &CommerceSettings, tokens: Tokens, http: &Client, clock: &SharedClock) -> Self {
        Self {
            caller: Caller {
                dependency: Dependency::Commerce,
                http: http.clone(),
                tokens,
                scheme: settings.scheme.clone(),
                clock: clock.clone(),
            },
            endpoint: settings.endpoint.clone(),
            operating_unit: settings.operating_unit.clone(),
            units: Mutex::default(),
            permits: Semaphore::new(settings.concurrency),
            orders_by_post: AtomicBool::new(false),
        }
    }

    /// Searches the event store for events of one type, later than `from` and not later than `to`, oldest first.
    ///
    /// The extension truncates both bounds to whole seconds, so they are widened here. Each row is returned as text, so that
    /// an unreadable row does not affect the others.
    pub async fn search(
        &self,
        event_type: &str,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        page: Page,
    ) -> Result<FoundEvents, CommerceError> {
        let to = if to.trunc_subsecs(0) == to { to } else { to.trunc_subsecs(0) + TimeDelta::seconds(1) };
        let body = json!({"commerceEventSearchCriteria": {
            "EventType": event_type, "EventDateTimeFrom": whole_seconds(from), "EventDateTimeTo": whole_seconds(to) }});
        let (skip, top) = (page.skip.to_string(), page.top.to_string());
        let reply = self
            .call(&self.operating_unit, |http| {
                let query = [("$top", top.as_str()), ("$skip", &skip), ("$count", "true"), API_VERSION];
                self.request(http, Method::POST, "CommerceEventsController/Search").query(&query).json(&body)
            })
            .await?;
        Ok(read_events(&expect(reply, "event search")?)?)
    }

    /// Requests something that does not exist. The response shows whether such requests are permitted.
    pub(crate) async fn probe(&self, what: Probe<'_>) -> Result<Reply, CallError> {
        let unit = self.operating_unit.as_str();
        let get = |path: String| move |http: &Client| self.request(http, Method::GET, &path).query(&[API_VERSION]);
        match what {
            Probe::Events(event_type) => {
                let now = whole_seconds(self.caller.clock.now());
                let body = json!({"commerceEventSearchCriteria": {
                    "EventType": event_type, "EventDateTimeFrom": now, "EventDateTimeTo": now }});
                let query = [("$top", "1"), ("$skip", "0"), ("$count", "true"), API_VERSION];
                let path = "CommerceEventsController/Search";
                self.send(unit, |http| self.request(http, Method::POST, path).query(&query).json(&body)).await
            }
            Probe::Order => {
                let reply = self.send(unit, |http| self.order_by_get(http, NONEXISTENT_KEY)).await?;
                if reply.status != StatusCode::METHOD_NOT_ALLOWED {
                    return Ok(reply);
                }
                self.send(unit, |http| self.order_by_post(http, NONEXISTENT_KEY)).await
            }
            Probe::Cart => self.send(unit, get(format!("Carts({})", segment(NONEXISTENT_KEY)))).await,
            Probe::Customer => self.send(unit, get(format!("Customers({})", segment(NONEXISTENT_KEY)))).await,
            Probe::OperatingUnit => self.send(unit, get("GetOperatingUnitNumber(channelid=0)".to_owned())).await,
        }
    }

    /// The order of a transaction.
    pub async fn order(&self, unit: &str, transaction_id: &str) -> Result<Purchase, CommerceError> {
        let wanted = Wanted { what: "order", key_field: "Id", key: transaction_id };
        if !self.orders_by_post.load(Ordering::Relaxed) {
            let reply = self.call(unit, |http| self.order_by_get(http, transaction_id)).await?;
            if reply.status != StatusCode::METHOD_NOT_ALLOWED {
                return Purchase::read(reply, wanted);
            }
            self.orders_by_post.store(true, Ordering::Relaxed);
        }
        let reply = self.call(unit, |http| self.order_by_post(http, transaction_id)).await?;
        Purchase::read(reply, wanted)
    }

    fn order_by_post(&self, http: &Client, transaction_id: &str) -> RequestBuilder {
        let body = json!({"transactionId": transaction_id, "searchLocationValue": LOCAL});
        let path = "SalesOrders/GetSalesOrderDetailsByTransactionId";
        self.request(http, Method::POST, path).query(&[API_VERSION]).json(&body)
    }

    fn order_by_get(&self, http: &Client, transaction_id: &str) -> RequestBuilder {
        let path =
            format!("SalesOrders/GetSalesOrderDetailsByTransactionId(transactionId=@p1,searchLocationValue={LOCAL})");
        self.request(http, Method::GET, &path).query(&[("@p1", literal(transaction_id).as_str()), API_VERSION])
    }

    /// A cart.
    pub async fn cart(&self, unit: &str, id: &str) -> Result<Purchase, CommerceError> {
        let wanted = Wanted { what: "cart", key_field: "Id", key: id };
        Purchase::read(self.by_key(unit, "Carts", id).await?, wanted)
    }

    /// A customer, as text.
    pub async fn customer(&self, unit: &str, account_number: &str) -> Result<ObjectText, CommerceError> {
        let wanted = Wanted { what: CUSTOMER, key_field: "AccountNumber", key: account_number };
        let reply = self.by_key(unit, "Customers", account_number).await?;
        entity(reply, wanted, |_| ()).map(|(text, ())| text)
    }

    async fn by_key(&self, unit: &str, set: &str, key: &str) -> Result<Reply, CommerceError> {
        let path = format!("{set}({})", segment(key));
        self.call(unit, |http| self.request(http, Method::GET, &path).query(&[API_VERSION])).await
    }

    /// The operating unit of a channel. If the extension does not know it, or has no such lookup, the configured number
    /// is used, and the lookup is repeated an hour later. If it does not answer, the configured number is used unless the
    /// caller `may_wait`.
    pub async fn operating_unit(&self, channel_id: &str, may_wait: bool) -> Result<OperatingUnit, CommerceError> {
        let known =
            self.units.lock().unwrap_or_else(PoisonError::into_inner).entry(channel_id.to_owned()).or_default().clone();
        let now = || self.caller.clock.now();
        let fetch = async || {
            let (unit, expires_at) = match self.fetch_operating_unit(channel_id).await {
                Ok(number) => (OperatingUnit { number, substituted: None }, DateTime::<Utc>::MAX_UTC),
                Err(error) if error.is_answer() => {
                    (self.default_unit(channel_id, error), now() + UNKNOWN_UNIT_DURATION)
                }
                Err(error) => return Err(error),
            };
            Ok(Cached { value: unit, refresh_at: expires_at, expires_at })
        };
        match known.get(now, fetch).await {
            Err(error) if !may_wait => Ok(self.default_unit(channel_id, error)),
            result => result,
        }
    }

    fn default_unit(&self, channel_id: &str, error: CommerceError) -> OperatingUnit {
        let operating_unit = &self.operating_unit;
        LogEvent::OperatingUnitUnknown { channel_id, operating_unit, detail: &error.to_string() }.log();
        OperatingUnit { number: operating_unit.clone(), substituted: Some(error) }
    }

    async fn fetch_operating_unit(&self, channel_id: &str) -> Result<String, CommerceError> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            value: Value,
        }
        let path = format!("GetOperatingUnitNumber(channelid={})", number(channel_id));
        let reply = self
            .call(&self.operating_unit, |http| self.request(http, Method::GET, &path).query(&[API_VERSION]))
            .await?;
        let body = expect(reply, "operating unit")?;
        if body.is_empty() {
            return Err(CommerceError::NotFound("operating unit"));
        }
        match read_json::<Answer>(&body)?.value {
            Value::String(unit) if !unit.trim().is_empty() => Ok(unit.trim().to_owned()),
            Value::Number(unit) => Ok(unit.to_string()),
            _ => Err(CommerceError::NotFound("operating unit")),
        }
    }

    fn request(&self, http: &Client, method: Method, path: &str) -> RequestBuilder {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}Commerce/{path}", url.path()));
        http.request(method, url)
    }

    async fn call(&self, unit: &str, build: impl Fn(&Client) -> RequestBuilder) -> Result<Reply, CommerceError> {
        Ok(self.send(unit, build).await?)
    }

    async fn send(&self, unit: &str, build: impl Fn(&Client) -> RequestBuilder) -> Result<Reply, CallError> {
        // The permits limit concurrent requests. The semaphore is never closed.
        let _permit = self.permits.acquire().await.ok();
        self.caller.call(|http| build(http).header("OUN", unit).header("Accept", "application/json")).await
    }
}

/// The requests that a check sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe<'a> {
    /// A search for events of this type in an empty period.
    Events(&'a str),
    /// An order.
    Order,
    /// A cart.
    Cart,
    /// A customer.
    Customer,
    /// The extension's lookup of operating units.
    OperatingUnit,
}

/// How long the configured operating unit is used for a channel that the extension does not know.
const UNKNOWN_UNIT_DURATION: TimeDelta = TimeDelta::hours(1);

/// A key that does not exist.
const NONEXISTENT_KEY: &str = "commerce-journeys-check";

/// `SearchLocation.Local`: the Scale Unit's own database.
const LOCAL: u8 = 1;
