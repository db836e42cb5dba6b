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
            CommerceError::Denied(_) => (ReasonCode::CommerceUnavailable, None),
            CommerceError::NotFound(_) => (ReasonCode::OrderNotFound, None),
            CommerceError::Unreadable(_) => (ReasonCode::UnreadableReply, None),
            CommerceError::Refused(_) => (ReasonCode::CommerceRefused, None),
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

/// Enriches an event: order and customer for `Checkout`, cart and customer for `AddCartLines`, only the customer for any
/// other type. Guests have no customer, and neither have sales to the default customer of a store.
pub(super) async fn enrich(
    commerce: &Commerce,
    customers: &CustomerCache,
    default_customers: &[String],
    event: &CommerceEvent,
) -> Result<Enriched, EnrichError> {
    let unit = commerce.operating_unit(&event.channel_id).await?;
    let order = async {
        match event.event_type.as_str() {
            CHECKOUT => commerce.order(&unit, &event.transaction_id).await.map(Some),
            // A cart that does not exist any more was checked out or cleared.
            ADD_CART_LINES => match commerce.cart(&unit, &event.transaction_id).await {
                Err(CommerceError::NotFound(_)) => Ok(None),
                other => other.map(Some),
            },
            _ => Ok(None),
        }
    };
    let by_event = async {
        match event.customer_id.trim() {
            "" => Ok(None),
            number if is_default_customer(number, default_customers) => Ok(None),
            number => {
                customers.get(commerce, &unit, event, number).await.map(|customer| Some((number.to_owned(), customer)))
            }
        }
    };
    let (order, mut customer_lookup) = futures::try_join!(order, by_event)?;
    if customer_lookup.is_none()
        && let Some(number) = order.as_deref().and_then(customer_of)
        && !is_default_customer(&number, default_customers)
    {
        let customer = customers.get(commerce, &unit, event, &number).await?;
        customer_lookup = Some((number, customer));
    }
    let is_missing = matches!(&customer_lookup, Some((_, None)));
    let note = is_missing.then(|| {
        let detail = "the Scale Unit has no customer with the event's account number; the event continues without customer details";
        Reason::new(ReasonCode::CustomerNotFound, detail)
    });
    Ok(Enriched { order, customer: customer_lookup.and_then(|(_, customer)| customer), note })
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
