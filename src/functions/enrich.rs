//! Reads the order or cart and the customer of an event from the Scale Unit.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::clients::commerce::{Commerce, CommerceError};
use crate::clients::single_flight::SingleFlight;
use crate::contacts::is_default_customer;
use crate::events::{CommerceEvent, Reason, ReasonCode};

/// The data of an event.
#[derive(Debug)]
pub(super) struct Enriched {
    /// The order or the cart.
    pub(super) order: Option<Box<RawValue>>,
    /// The customer. `None` for guests.
    pub(super) customer: Option<Arc<RawValue>>,
    /// What is missing, although the event can continue.
    pub(super) note: Option<Reason>,
}

/// Why an event cannot be enriched now.
#[derive(Debug)]
pub(super) struct EnrichError {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
    /// Whether every other event would fail in the same way.
    pub(super) is_outage: bool,
}

impl From<CommerceError> for EnrichError {
    fn from(error: CommerceError) -> Self {
        let is_outage = error.is_outage();
        let (code, retry_after) = match &error {
            CommerceError::Unavailable { retry_after, .. } => (ReasonCode::CommerceUnavailable, *retry_after),
            CommerceError::Unauthenticated(_) | CommerceError::Forbidden(_) => (ReasonCode::CommerceUnavailable, None),
            CommerceError::NotFound(_) => (ReasonCode::OrderNotFound, None),
            CommerceError::Unreadable(_) => (ReasonCode::UnreadableReply, None),
            CommerceError::Refused(_) | CommerceError::Unknown(_) => (ReasonCode::CommerceRefused, None),
        };
        Self { reason: Reason::new(code, error.to_string()), retry_after, is_outage }
    }
}

/// One lookup of a customer, shared by all events that need it. They share its failure too.
type CacheEntry = Arc<SingleFlight<Option<Arc<RawValue>>, CommerceError>>;

/// The customers of one run. It is cleared when it is full.
#[derive(Debug, Default)]
pub(super) struct CustomerCache(Mutex<HashMap<(String, String), CacheEntry>>);

/// Maximum number of cached customers, at about 3 KB each.
const MAX_CUSTOMERS: usize = 4_000;

impl CustomerCache {
    fn entry(&self, data_area_id: &str, number: &str) -> CacheEntry {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_CUSTOMERS {
            entries.clear();
        }
        entries.entry((data_area_id.to_owned(), number.to_owned())).or_default().clone()
    }

    /// The customer, requested once per run. `None` if it does not exist.
    async fn get(
        &self,
        commerce: &Commerce,
        unit: &str,
        event: &CommerceEvent,
        number: &str,
    ) -> Result<Option<Arc<RawValue>>, CommerceError> {
        let fetch = async || match commerce.customer(unit, number).await {
            Ok(customer) => Ok(Some(Arc::from(customer))),
            Err(CommerceError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.entry(&event.data_area_id, number).get_once(fetch).await
    }
}

/// Whether an event of this type needs its order.
pub(super) fn needs_order(event: &CommerceEvent) -> bool {
    event.event_type == CHECKOUT
}

const CHECKOUT: &str = "Checkout";
const ADD_CART_LINES: &str = "AddCartLines";

/// Where the data of an event comes from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) commerce: &'a Commerce,
    pub(super) customers: &'a CustomerCache,
    pub(super) default_customers: &'a [String],
}

/// How long an event waits for what it can do without: its customer and the operating unit of its channel.
pub(super) const OPTIONAL_WAIT: Duration = Duration::from_secs(300);

/// Something that an event can do without, or why it is missing.
type Optional<T> = Result<Option<T>, Reason>;

/// Enriches an event: order and customer for `Checkout`, cart and customer for `AddCartLines`, only the customer for any
/// other type. Guests have no customer, and neither have sales to the default customer of a store.
///
/// Only the order is necessary. The rest is waited for only while the Scale Unit does not answer and the event `may_wait`.
pub(super) async fn enrich(source: Source<'_>, event: &CommerceEvent, may_wait: bool) -> Result<Enriched, EnrichError> {
    let unit = source.commerce.operating_unit(&event.channel_id, may_wait).await?;
    let by_event = async {
        match event.customer_id.trim() {
            "" => Ok(None),
            number => source.customer(&unit, event, number, may_wait).await.map(Some),
        }
    };
    let (order, mut customer) = futures::try_join!(source.order(&unit, event), by_event)?;
    let (order, cart_note) = split(order);
    if customer.as_ref().is_none_or(|found| matches!(found, Ok(None)))
        && let Some(number) = order.as_deref().and_then(customer_of)
    {
        customer = Some(source.customer(&unit, event, &number, may_wait).await?);
    }
    let (customer, customer_note) = split(customer.unwrap_or(Ok(None)));
    Ok(Enriched { order, customer, note: cart_note.or(customer_note) })
}

fn split<T>(optional: Optional<T>) -> (Option<T>, Option<Reason>) {
    optional.map_or_else(|reason| (None, Some(reason)), |found| (found, None))
}

impl Source<'_> {
    /// The order or the cart. A cart may be missing: it was checked out or cleared.
    async fn order(&self, unit: &str, event: &CommerceEvent) -> Result<Optional<Box<RawValue>>, CommerceError> {
        match event.event_type.as_str() {
            CHECKOUT => Ok(Ok(Some(self.commerce.order(unit, &event.transaction_id).await?))),
            ADD_CART_LINES => match self.commerce.cart(unit, &event.transaction_id).await {
                Ok(cart) => Ok(Ok(Some(cart))),
                Err(CommerceError::NotFound(_)) => Ok(Ok(None)),
                Err(error) if error.is_answer() => Ok(Err(without(ReasonCode::CartNotRead, &error))),
                Err(error) => Err(error),
            },
            _ => Ok(Ok(None)),
        }
    }

    /// The customer with this number. A default customer is none.
    async fn customer(
        &self,
        unit: &str,
        event: &CommerceEvent,
        number: &str,
        may_wait: bool,
    ) -> Result<Optional<Arc<RawValue>>, CommerceError> {
        if is_default_customer(number, self.default_customers) {
            return Ok(Ok(None));
        }
        match self.customers.get(self.commerce, unit, event, number).await {
            Ok(Some(customer)) => Ok(Ok(Some(customer))),
            Ok(None) => {
                let detail = "the Scale Unit has no customer with the event's account number; the event continues without customer details";
                Ok(Err(Reason::new(ReasonCode::CustomerNotFound, detail)))
            }
            Err(error) if error.is_answer() || !may_wait => Ok(Err(without(ReasonCode::CustomerNotRead, &error))),
            Err(error) => Err(error),
        }
    }
}

/// The note of an event that continues without something optional.
fn without(code: ReasonCode, error: &CommerceError) -> Reason {
    Reason::new(code, format!("{error}; the event continues without it"))
}

/// The account number in the order, for an event without one.
fn customer_of(order: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Order {
        #[serde(rename = "CustomerId")]
        customer_id: Option<String>,
    }
    let Order { customer_id } = serde_json::from_str(order.get()).ok()?;
    customer_id.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty())
}
