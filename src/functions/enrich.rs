//! Reads from the Scale Unit what an event is enriched with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::clients::commerce::{Commerce, CommerceError, OperatingUnit, Purchase};
use crate::clients::single_flight::SingleFlight;
use crate::contacts::is_default_customer;
use crate::events::{CommerceEvent, Reason, ReasonCode};
use crate::journeys::{Details, EventType, Journeys};
use crate::json::ObjectText;

/// The data of an event.
#[derive(Debug)]
pub(super) struct Enriched {
    /// The order or the cart.
    pub(super) order: Option<Purchase>,
    /// The customer. `None` for guests.
    pub(super) customer: Option<Arc<ObjectText>>,
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
    /// Whether no later attempt can succeed: the cause is in the event itself.
    pub(super) is_permanent: bool,
}

impl EnrichError {
    /// An error that no later attempt can mend.
    pub(super) fn permanent(code: ReasonCode, detail: String) -> Self {
        Self { reason: Reason::new(code, detail), retry_after: None, is_outage: false, is_permanent: true }
    }

    /// A part that the event needs is not there yet.
    fn missing(reason: Reason) -> Self {
        Self { reason, retry_after: None, is_outage: false, is_permanent: false }
    }
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
        Self { reason: Reason::new(code, error.to_string()), retry_after, is_outage, is_permanent: false }
    }
}

/// One lookup of a customer, shared by all events that need it. They share its failure too.
type CacheEntry = Arc<SingleFlight<Option<Arc<ObjectText>>, CommerceError>>;

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
    ) -> Result<Option<Arc<ObjectText>>, CommerceError> {
        let fetch = async || match commerce.customer(unit, number).await {
            Ok(customer) => Ok(Some(Arc::new(customer))),
            Err(CommerceError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        };
        self.entry(&event.data_area_id, number).get_once(fetch).await
    }
}

/// Where the data of an event comes from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) commerce: &'a Commerce,
    pub(super) customers: &'a CustomerCache,
    pub(super) default_customers: &'a [String],
    pub(super) journeys: &'a Journeys,
}

/// How long an event waits for what it can do without: its customer and the operating unit of its channel.
pub(super) const OPTIONAL_WAIT: Duration = Duration::from_secs(300);

/// Something that an event can do without, or why it is missing.
type Optional<T> = Result<Option<T>, Reason>;

/// An event, what it is enriched with, and the operating unit of its channel.
struct Request<'a> {
    source: Source<'a>,
    event: &'a CommerceEvent,
    kind: EventType,
    unit: OperatingUnit,
    may_wait: bool,
}

/// Enriches an event with what `journeys.json` says about its type. Guests have no customer, and neither have sales to the
/// default customer of a store.
///
/// What is optional is waited for only while the Scale Unit does not answer and the event `may_wait`.
pub(super) async fn enrich(source: Source<'_>, event: &CommerceEvent, may_wait: bool) -> Result<Enriched, EnrichError> {
    let kind = source.journeys.event_type(&event.event_type);
    let key = match order_key(&kind, event) {
        Some(Err(reason)) if !kind.details_optional => {
            return Err(EnrichError::permanent(reason.code, reason.detail));
        }
        key => key,
    };
    if kind.details.is_none() && !kind.has_customer {
        return Ok(Enriched { order: None, customer: None, note: None });
    }
    let unit = source.commerce.operating_unit(&event.channel_id, may_wait).await?;
    Request { source, event, kind, unit, may_wait }.enriched(key).await
}

/// The key of the order or cart, if the event is enriched with one.
fn order_key(kind: &EventType, event: &CommerceEvent) -> Option<Result<String, Reason>> {
    kind.details?;
    let key = kind.order_key(event);
    Some(key.map_err(|error| Reason::new(ReasonCode::EventKeyMissing, error.to_string())))
}

fn split<T>(optional: Optional<T>) -> (Option<T>, Option<Reason>) {
    optional.map_or_else(|reason| (None, Some(reason)), |found| (found, None))
}

impl Request<'_> {
    async fn enriched(&self, key: Option<Result<String, Reason>>) -> Result<Enriched, EnrichError> {
        let (order, mut customer) = futures::try_join!(self.details(key), self.customer_of_event())?;
        let (order, order_note) = split(order);
        if self.kind.has_customer
            && customer.as_ref().is_none_or(|found| matches!(found, Ok(None)))
            && let Some(number) = order.as_ref().and_then(|order| order.numbers.customer_number.as_deref())
        {
            customer = Some(self.customer(number.trim()).await?);
        }
        let (customer, customer_note) = split(customer.unwrap_or(Ok(None)));
        Ok(Enriched { order, customer, note: order_note.or(customer_note) })
    }

    /// The order or the cart. A cart may be missing: it was checked out or cleared.
    async fn details(&self, key: Option<Result<String, Reason>>) -> Result<Optional<Purchase>, EnrichError> {
        let (Some(details), Some(key)) = (self.kind.details, key) else { return Ok(Ok(None)) };
        let key = match key {
            Ok(key) => key,
            Err(reason) => return Ok(Err(reason)),
        };
        let found = match details {
            Details::Order => self.source.commerce.order(&self.unit.number, &key).await,
            Details::Cart => self.source.commerce.cart(&self.unit.number, &key).await,
        };
        let code = match details {
            Details::Order => ReasonCode::OrderNotFound,
            Details::Cart => ReasonCode::CartNotRead,
        };
        match found {
            Ok(found) => Ok(Ok(Some(found))),
            Err(error @ CommerceError::NotFound(_)) if self.unit.is_unread() => {
                let reason = self.unit.not_read(&error);
                if self.kind.details_optional { Ok(Err(reason)) } else { Err(EnrichError::missing(reason)) }
            }
            Err(CommerceError::NotFound(_)) if details == Details::Cart && self.kind.details_optional => Ok(Ok(None)),
            Err(error) if self.kind.details_optional && error.is_answer() => Ok(Err(without(code, &error))),
            Err(error @ CommerceError::NotFound(_)) => Err(EnrichError::missing(Reason::new(code, error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    /// The customer whose number is in the event.
    async fn customer_of_event(&self) -> Result<Option<Optional<Arc<ObjectText>>>, EnrichError> {
        match self.event.customer_id.trim() {
            number if self.kind.has_customer && !number.is_empty() => self.customer(number).await.map(Some),
            _ => Ok(None),
        }
    }

    /// The customer with this number. A default customer is none.
    async fn customer(&self, number: &str) -> Result<Optional<Arc<ObjectText>>, EnrichError> {
        let Source { commerce, customers, default_customers, .. } = self.source;
        if is_default_customer(number, default_customers) {
            return Ok(Ok(None));
        }
        let is_optional = self.kind.customer_optional;
        let not_found = "the Scale Unit has no customer with the event's account number";
        match customers.get(commerce, &self.unit.number, self.event, number).await {
            Ok(Some(customer)) => Ok(Ok(Some(customer))),
            Ok(None) if is_optional => {
                let detail = format!("{not_found}; the event continues without customer details");
                Ok(Err(Reason::new(ReasonCode::CustomerNotFound, detail)))
            }
            Ok(None) => Err(EnrichError::missing(Reason::new(ReasonCode::CustomerNotFound, not_found))),
            Err(error) if is_optional && (error.is_answer() || !self.may_wait) => {
                Ok(Err(without(ReasonCode::CustomerNotRead, &error)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The note of an event that continues without something optional.
fn without(code: ReasonCode, error: &CommerceError) -> Reason {
    Reason::new(code, format!("{error}; the event continues without it"))
}

impl OperatingUnit {
    /// Whether the Scale Unit did not say which one it is. What is not found in it may be in the channel's.
    fn is_unread(&self) -> bool {
        self.substituted.as_ref().is_some_and(|error| !error.is_answer())
    }

    /// The reason of an event whose details are not in the configured operating unit.
    fn not_read(&self, error: &CommerceError) -> Reason {
        let cause = self.substituted.as_ref().map(ToString::to_string).unwrap_or_default();
        let detail =
            format!("{error} in the operating unit {}; that of the channel was not read: {cause}", self.number);
        Reason::new(ReasonCode::OperatingUnitNotRead, detail)
    }
}
