//! The journeys that the audit knows: when each is expected, and with which parameters.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::examples;
use crate::dataverse::{
    ABANDONED_CART, FEEDBACK_REQUEST, LOYALTY_INVITATION, ORDER_CONFIRMATION, READY_FOR_PICKUP, REFUND_CONFIRMATION,
    SHIPPING_NOTIFICATION, StartedJourney, WELCOME,
};
use crate::shop::{
    self, CUSTOMER_CREATED, ChannelKind, LedgerEntry, ORDER_RETURNED, ORDER_SHIPPED, OrderFacts,
    READY_FOR_PICKUP as READY_EVENT,
};

/// A journey that the audit knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Journey {
    /// After every checkout.
    OrderConfirmation,
    /// After every checkout.
    FeedbackRequest,
    /// After a checkout without a loyalty card.
    LoyaltyInvitation,
    /// After items were added to a cart that was not changed or bought for some time.
    AbandonedCart,
    /// An example: after a store has shipped an order.
    ShippingNotification,
    /// An example: when an order can be picked up in a store.
    ReadyForPickup,
    /// An example: after a return.
    RefundConfirmation,
    /// An example: after a customer was created.
    Welcome,
}

/// The occasion of a journey. Each journey starts once per occasion.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occasion {
    /// Which journey.
    pub journey: Journey,
    /// The order's internal transaction id, or the cart's id.
    pub key: String,
}

impl Journey {
    /// All journeys of the shipped `journeys.json`, in its order.
    pub const ALL: [Self; 4] =
        [Self::OrderConfirmation, Self::FeedbackRequest, Self::LoyaltyInvitation, Self::AbandonedCart];

    /// The same, and those of `examples/journeys.json`.
    pub const WITH_EXAMPLES: [Self; 8] = [
        Self::OrderConfirmation,
        Self::FeedbackRequest,
        Self::LoyaltyInvitation,
        Self::AbandonedCart,
        Self::ShippingNotification,
        Self::ReadyForPickup,
        Self::RefundConfirmation,
        Self::Welcome,
    ];

    /// The journeys that are enabled in the shipped `journeys.json`.
    pub const DEFAULT: [Self; 1] = [Self::OrderConfirmation];

    /// Its name in `journeys.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::OrderConfirmation => "order-confirmation",
            Self::FeedbackRequest => "feedback-request",
            Self::LoyaltyInvitation => "loyalty-invitation",
            Self::AbandonedCart => "abandoned-cart",
            Self::ShippingNotification => "shipping-notification",
            Self::ReadyForPickup => "ready-for-pickup",
            Self::RefundConfirmation => "refund-confirmation",
            Self::Welcome => "welcome",
        }
    }

    /// Its custom trigger in the sandbox's Dataverse.
    pub fn trigger(self) -> &'static str {
        match self {
            Self::OrderConfirmation => ORDER_CONFIRMATION,
            Self::FeedbackRequest => FEEDBACK_REQUEST,
            Self::LoyaltyInvitation => LOYALTY_INVITATION,
            Self::AbandonedCart => ABANDONED_CART,
            Self::ShippingNotification => SHIPPING_NOTIFICATION,
            Self::ReadyForPickup => READY_FOR_PICKUP,
            Self::RefundConfirmation => REFUND_CONFIRMATION,
            Self::Welcome => WELCOME,
        }
    }

    /// The type of the events that start it.
    pub fn event_type(self) -> &'static str {
        match self {
            Self::OrderConfirmation | Self::FeedbackRequest | Self::LoyaltyInvitation => "Checkout",
            Self::AbandonedCart => "AddCartLines",
            Self::ShippingNotification => ORDER_SHIPPED,
            Self::ReadyForPickup => READY_EVENT,
            Self::RefundConfirmation => ORDER_RETURNED,
            Self::Welcome => CUSTOMER_CREATED,
        }
    }

    /// The app setting with the name of its custom trigger.
    pub fn setting(self) -> &'static str {
        match self {
            Self::OrderConfirmation => "OrderConfirmationTrigger",
            Self::FeedbackRequest => "FeedbackRequestTrigger",
            Self::LoyaltyInvitation => "LoyaltyInvitationTrigger",
            Self::AbandonedCart => "AbandonedCartTrigger",
            Self::ShippingNotification => "ShippingNotificationTrigger",
            Self::ReadyForPickup => "ReadyForPickupTrigger",
            Self::RefundConfirmation => "RefundConfirmationTrigger",
            Self::Welcome => "WelcomeTrigger",
        }
    }

    /// The journey with this custom trigger.
    pub fn of_trigger(trigger: &str) -> Option<Self> {
        Self::WITH_EXAMPLES.into_iter().find(|journey| journey.trigger() == trigger)
    }

    /// The journey with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::WITH_EXAMPLES.into_iter().find(|journey| journey.name() == name)
    }

    /// The occasion of this entry for this journey, even if there is no reachable customer.
    pub fn occasion(self, entry: &LedgerEntry) -> Option<Occasion> {
        let key = match self {
            Self::AbandonedCart if entry.event.event_type == "AddCartLines" => entry.event.transaction_id.clone(),
            Self::AbandonedCart => return None,
            Self::LoyaltyInvitation if entry.loyalty_card.is_some() => return None,
            Self::OrderConfirmation | Self::FeedbackRequest | Self::LoyaltyInvitation => {
                entry.order.as_ref()?.internal_transaction_id.to_lowercase()
            }
            example => examples::key(example, entry)?,
        };
        Some(Occasion { journey: self, key })
    }

    /// The occasion in the parameters of a started journey. `None` if there is none.
    pub fn occasion_of(started: &StartedJourney) -> Option<Occasion> {
        let journey = Self::of_trigger(&started.trigger)?;
        let parameters = started.parameters();
        let text = |name: &str| parameters.get(name).and_then(Value::as_str);
        let key = match journey {
            Self::AbandonedCart => text("msdynmkt_cartid")?.to_owned(),
            Self::OrderConfirmation | Self::FeedbackRequest | Self::LoyaltyInvitation => {
                text("msdynmkt_bindingid")?.to_lowercase()
            }
            _ => text("msdynmkt_bindingid")?.to_owned(),
        };
        Some(Occasion { journey, key })
    }

    /// The parameters of the trigger call that differ from the ledger.
    pub(super) fn errors(self, entry: &LedgerEntry, started: &StartedJourney) -> Vec<&'static str> {
        let facts = match (self, &entry.order) {
            (Self::OrderConfirmation, Some(order)) => confirmation(entry, order),
            (Self::FeedbackRequest, Some(order)) => feedback(entry, order),
            (Self::LoyaltyInvitation, Some(order)) => invitation(entry, order),
            (example, None) => examples::facts(example, entry),
            (_, Some(_)) => Vec::new(),
        };
        let parameters = started.parameters();
        let agrees = |name: &str, fact: &Fact<'_>| match fact {
            Fact::Number(number) => started.as_written(name).as_deref() == Some(number),
            Fact::Text(_) | Fact::Moment(_) | Fact::Time(_) => fact.is(parameters.get(name).and_then(Value::as_str)),
        };
        facts.into_iter().filter(|(name, fact)| !agrees(name, fact)).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Journey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

/// The expected value of a parameter.
pub(super) enum Fact<'a> {
    Text(&'a str),
    /// A number with exact digits.
    Number(&'a str),
    /// A time in any format.
    Moment(&'a str),
    /// The same, known as a time.
    Time(DateTime<Utc>),
}

pub(super) type Facts<'a> = Vec<(&'static str, Fact<'a>)>;

impl Fact<'_> {
    /// Whether this is the value of a text parameter.
    fn is(&self, text: Option<&str>) -> bool {
        match self {
            Self::Text(fact) => text == Some(fit(fact).as_str()),
            Self::Number(fact) => text == Some(fact),
            Self::Time(fact) => text.and_then(moment) == Some(*fact),
            Self::Moment(fact) => text.and_then(moment).is_some_and(|told| Some(told) == moment(fact)),
        }
    }
}

/// The text without the characters that Dataverse rejects.
fn fit(text: &str) -> String {
    let is_allowed =
        |character: &char| !matches!(character, '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    text.chars().filter(is_allowed).map(|it| if matches!(it, '\u{b}' | '\u{c}') { ' ' } else { it }).collect()
}

fn confirmation<'a>(entry: &'a LedgerEntry, order: &'a OrderFacts) -> Facts<'a> {
    vec![
        ("msdynmkt_amountpaid", Fact::Number(&order.amount_paid)),
        ("msdynmkt_currencycode", Fact::Text(&order.currency)),
        ("msdynmkt_channelreferenceid", Fact::Text(&order.channel_reference_id)),
        ("msdynmkt_createddatetime", Fact::Text(&order.created)),
        ("msdynmkt_name", Fact::Text(&order.name)),
        ("msdynmkt_receiptemail", Fact::Text(entry.email.as_deref().unwrap_or_default())),
        ("msdynmkt_salesid", Fact::Text(&order.sales_id)),
    ]
}

fn feedback<'a>(entry: &'a LedgerEntry, order: &'a OrderFacts) -> Facts<'a> {
    let store = shop::channel(entry.event.channel_id).filter(|channel| channel.kind == ChannelKind::InStore);
    vec![
        ("msdynmkt_orderid", Fact::Text(&entry.event.transaction_id)),
        ("msdynmkt_receiptemail", Fact::Text(entry.email.as_deref().unwrap_or_default())),
        ("msdynmkt_purchasedat", Fact::Moment(&order.created)),
        ("msdynmkt_storename", Fact::Text(store.map_or("", |channel| channel.name))),
    ]
}

fn invitation<'a>(entry: &'a LedgerEntry, order: &'a OrderFacts) -> Facts<'a> {
    vec![
        ("msdynmkt_orderid", Fact::Text(&entry.event.transaction_id)),
        ("msdynmkt_amountpaid", Fact::Number(&order.amount_paid)),
        ("msdynmkt_currencycode", Fact::Text(&order.currency)),
    ]
}
