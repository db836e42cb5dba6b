//! Fetches what the CSU knows about an event: its order or cart, and its customer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;

use crate::clients::commerce::{Commerce, CommerceError};
use crate::events::{CommerceEvent, Reason, ReasonCode};

/// What the CSU knows about an event.
#[derive(Debug)]
pub(super) struct Enriched {
    /// Order or cart.
    pub(super) order: Option<Box<RawValue>>,
    /// Customer; `None` for guests.
    pub(super) customer: Option<Arc<RawValue>>,
    /// What was amiss, although the event can go on.
    pub(super) note: Option<Reason>,
}

/// Why an event cannot be enriched now.
#[derive(Debug)]
pub(super) struct NotEnriched {
    pub(super) reason: Reason,
    pub(super) retry_after: Option<Duration>,
    /// Every other event would fail in the same way.
    pub(super) outage: bool,
}

impl From<CommerceError> for NotEnriched {
    fn from(error: CommerceError) -> Self {
        let outage = error.is_outage();
        let (code, retry_after) = match &error {
            CommerceError::Unavailable { retry_after, .. } => (ReasonCode::CommerceUnavailable, *retry_after),
            CommerceError::Denied(_) => (ReasonCode::CommerceUnavailable, None),
            CommerceError::NotFound(_) => (ReasonCode::OrderNotFound, None),
            CommerceError::Unreadable(_) => (ReasonCode::UnreadableReply, None),
            CommerceError::Refused(_) => (ReasonCode::CommerceRefused, None),
        };
        Self { reason: Reason::new(code, error.to_string()), retry_after, outage }
    }
}

/// One look-up of a customer, shared by all events that wait for it.
type Shelf = Arc<OnceCell<Option<Arc<RawValue>>>>;

/// Customers that one run has met. Small enough to be started over when it is full.
#[derive(Debug, Default)]
pub(super) struct Customers(Mutex<HashMap<(String, String), Shelf>>);

/// At about 3 KB a customer.
const MOST_CUSTOMERS: usize = 4_000;

impl Customers {
    fn shelf(&self, data_area_id: &str, number: &str) -> Shelf {
        let mut shelves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if shelves.len() >= MOST_CUSTOMERS {
            shelves.clear();
        }
        shelves.entry((data_area_id.to_owned(), number.to_owned())).or_default().clone()
    }

    /// The customer, fetched once per run; `None` if there is no such customer.
    async fn get(
        &self,
        commerce: &Commerce,
        unit: &str,
        event: &CommerceEvent,
        number: &str,
    ) -> Result<Option<Arc<RawValue>>, CommerceError> {
        let fetch = || async {
            match commerce.customer(unit, number).await {
                Ok(customer) => Ok(Some(Arc::from(customer))),
                Err(CommerceError::NotFound(_)) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.shelf(&event.data_area_id, number).get_or_try_init(fetch).await.cloned()
    }
}

/// Whether an event of this type is nothing without its order.
pub(super) fn needs_order(event: &CommerceEvent) -> bool {
    event.event_type == CHECKOUT
}

const CHECKOUT: &str = "Checkout";
const ADD_CART_LINES: &str = "AddCartLines";

/// Enriches an event: order and customer for `Checkout`, cart and customer for `AddCartLines`, the customer alone for
/// any other type. Guests have no customer to ask for.
pub(super) async fn enrich(
    commerce: &Commerce,
    customers: &Customers,
    event: &CommerceEvent,
) -> Result<Enriched, NotEnriched> {
    let unit = commerce.operating_unit(&event.channel_id).await?;
    let order = async {
        match event.event_type.as_str() {
            CHECKOUT => commerce.order(&unit, &event.transaction_id).await.map(Some),
            // A cart that is gone was checked out or cleared: there is nothing left to be reminded of.
            ADD_CART_LINES => match commerce.cart(&unit, &event.transaction_id).await {
                Err(CommerceError::NotFound(_)) => Ok(None),
                other => other.map(Some),
            },
            _ => Ok(None),
        }
    };
    let by_event = async {
        match event.customer_id.as_str() {
            "" => Ok(None),
            number => {
                customers.get(commerce, &unit, event, number).await.map(|customer| Some((number.to_owned(), customer)))
            }
        }
    };
    let (order, mut looked_up) = futures::try_join!(order, by_event)?;
    if looked_up.is_none()
        && let Some(number) = order.as_deref().and_then(customer_of)
    {
        let customer = customers.get(commerce, &unit, event, &number).await?;
        looked_up = Some((number, customer));
    }
    let gone = matches!(&looked_up, Some((_, None)));
    let note = gone.then(|| Reason::new(ReasonCode::CustomerNotFound, "the Scale Unit knows no customer with the event's account number; the event goes on without customer details"));
    Ok(Enriched { order, customer: looked_up.and_then(|(_, customer)| customer), note })
}

/// The account number in an order whose event names none.
fn customer_of(order: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Order {
        #[serde(rename = "CustomerId")]
        customer_id: Option<String>,
    }
    let Order { customer_id } = serde_json::from_str(order.get()).ok()?;
    customer_id.filter(|id| !id.is_empty())
}
