//! Visits to the shop.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{ActionResult, read};
use crate::page::api_error::ApiError;
use crate::page::dashboard::Tone;
use crate::page::state::PageState;
use crate::shop::{CHANNELS, CartOpening, Channel, ChannelKind, Checkout, Customer, Item, PRODUCTS, ShopError};

/// The rate of a bulk order.
const VISITS_PER_SECOND: u32 = 40;

/// A requested visit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Visit {
    who: Who,
    email: bool,
    loyalty_card: bool,
    place: Place,
    outcome: VisitOutcome,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Who {
    Known,
    New,
    Guest,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Place {
    Store,
    Online,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
enum VisitOutcome {
    Checkout,
    LeaveWithoutBuying,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct BulkOrder {
    orders: usize,
}

/// Performs one visit. The answer contains the numbers of the written events.
pub(in crate::page) async fn shop(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let visit: Visit = read(&body)?;
    let visitor = state.visitors.fetch_add(1, Ordering::Relaxed);
    let before = state.dashboard().progress().0;
    visit
        .perform(&state, visitor)
        .map_err(|error| ApiError::conflict(format!("the shop does not accept this: {error}")))?;
    state.collect();
    let events: Vec<_> = (before + 1..=state.dashboard().progress().0).collect();
    Ok((StatusCode::CREATED, Json(json!({ "events": events }))))
}

/// Places many orders.
pub(in crate::page) async fn bulk_order(State(state): State<Arc<PageState>>, body: Bytes) -> ActionResult {
    let BulkOrder { orders } = read(&body)?;
    if !(1..=2000).contains(&orders) {
        return Err(ApiError::bad_request("orders: must be from 1 to 2000"));
    }
    if state.bulk_running.swap(true, Ordering::Relaxed) {
        return Err(ApiError::conflict("a bulk order is already in progress"));
    }
    let seed = state.visitors.fetch_add(1, Ordering::Relaxed);
    let now = state.now();
    state.dashboard().add_notice(
        now,
        Tone::Plain,
        format!("{} being placed.", if orders == 1 { "1 order is".to_owned() } else { format!("{orders} orders are") }),
    );
    tokio::spawn(async move {
        for visit in state.environment.shop().plan(orders, seed.wrapping_add(0xc0de)) {
            if let Err(error) = state.environment.shop().perform(&visit) {
                tracing::warn!(%error, "a visit failed");
            }
            drop(state.environment.clock().sleep(Duration::from_secs(1) / VISITS_PER_SECOND).await);
        }
        state.bulk_running.store(false, Ordering::Relaxed);
    });
    Ok((StatusCode::ACCEPTED, Json(json!({ "orders": orders }))))
}

impl Visit {
    fn perform(&self, state: &PageState, visitor: u64) -> Result<(), ShopError> {
        let shop = state.environment.shop();
        let channel = self.channel(visitor);
        let customer = match self.who {
            Who::Guest => None,
            Who::Known => Some(self.known(&shop.customers(), channel, visitor).ok_or(ShopError::NoSuchCustomer)?),
            Who::New => {
                let customer = self.new_customer(&shop.customers(), channel, visitor);
                shop.sign_up(customer.clone(), channel.id)?;
                Some(Arc::new(customer))
            }
        };
        let cart = shop.open_cart(CartOpening {
            channel: channel.id,
            customer: customer.as_ref().map(|customer| customer.account.clone()),
            loyalty_card: if self.loyalty_card { format!("{}", 770_000 + visitor) } else { String::new() },
            ..CartOpening::default()
        })?;
        shop.add_to_cart(&cart, &items(visitor))?;
        if self.outcome == VisitOutcome::Checkout {
            let own = customer.as_ref().and_then(|customer| customer.reachable_at().map(str::to_owned));
            let email = own.or_else(|| self.email.then(|| format!("visitor.{visitor}@example.org")));
            let name = if self.who == Who::Guest { guest_name(channel, visitor) } else { String::new() };
            shop.checkout(&cart, Checkout { receipt_email: Some(email.unwrap_or_default()), name })?;
        }
        Ok(())
    }

    fn channel(&self, visitor: u64) -> &'static Channel {
        let kind = if self.place == Place::Store { ChannelKind::InStore } else { ChannelKind::Online };
        let fitting: Vec<_> = CHANNELS.iter().filter(|channel| channel.kind == kind).collect();
        choose(&fitting, visitor).unwrap_or(&CHANNELS[0])
    }

    /// A customer of the channel's company, reachable or not.
    fn known(&self, customers: &[Arc<Customer>], channel: &Channel, visitor: u64) -> Option<Arc<Customer>> {
        let fits = |customer: &&Arc<Customer>| {
            customer.data_area == channel.data_area && customer.reachable_at().is_some() == self.email
        };
        let fitting: Vec<_> = customers.iter().filter(fits).cloned().collect();
        // Spread over the list, because customers next to each other are similar.
        choose(&fitting, visitor.wrapping_mul(17).wrapping_add(3))
    }

    fn new_customer(&self, customers: &[Arc<Customer>], channel: &Channel, visitor: u64) -> Customer {
        const NAMES: [(&str, &str); 6] = [
            ("Alma", "Berg"),
            ("Bruno", "Castell"),
            ("Chidi", "Okafor"),
            ("Dalia", "Haddad"),
            ("Emil", "Novák"),
            ("Farah", "Siddiqui"),
        ];
        let (first_name, last_name) = choose(&NAMES, visitor).unwrap_or_default();
        let model = customers.iter().find(|customer| customer.data_area == channel.data_area);
        Customer {
            account: format!("P{visitor:08}"),
            data_area: channel.data_area,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            email: if self.email {
                format!("{}.{visitor}@example.com", first_name.to_lowercase())
            } else {
                String::new()
            },
            receipt_email: String::new(),
            phone: format!("555 0199 {visitor:04}"),
            group: model.map_or("", |model| model.group),
            language: channel.language,
            currency: channel.currency,
            party_number: format!("{:09}", 900_000 + visitor),
            record_id: 68_729_500_000 + 16 * i64::try_from(visitor).unwrap_or_default(),
            loyalty_card: None,
        }
    }
}

/// Guests have a name only online, where the order is delivered.
fn guest_name(channel: &Channel, visitor: u64) -> String {
    if channel.kind == ChannelKind::Online { format!("Guest No. {}", 1000 + visitor) } else { String::new() }
}

fn items(visitor: u64) -> Vec<Item> {
    let first = choose(&PRODUCTS, visitor.wrapping_mul(5)).map(|product| Item { product: product.id, quantity: 1 });
    let second = choose(&PRODUCTS, visitor.wrapping_mul(7).wrapping_add(3));
    let second = second.filter(|_| visitor % 2 == 1).map(|product| Item { product: product.id, quantity: 2 });
    first.into_iter().chain(second).collect()
}

fn choose<T: Clone>(all: &[T], number: u64) -> Option<T> {
    let place = number.checked_rem(all.len() as u64)?;
    all.get(usize::try_from(place).ok()?).cloned()
}
