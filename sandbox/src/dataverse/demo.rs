//! The custom triggers of the article's four journeys, and of the example journeys.

use super::triggers::ParameterKind::{DateTime, Decimal, String as Text};
use super::triggers::{Parameter, ParameterKind, Trigger};

/// Order confirmation, after every checkout: the reference solution's own trigger.
pub const ORDER_CONFIRMATION: &str = "msdynmkt_csucheckouteventtrigger_144841371";
/// Feedback request, after a purchase.
pub const FEEDBACK_REQUEST: &str = "msdynmkt_feedbackrequest_318274956";
/// Loyalty invitation, after a purchase without a loyalty card.
pub const LOYALTY_INVITATION: &str = "msdynmkt_loyaltyinvitation_572961408";
/// Abandoned cart reminder, after a product was added to a cart.
pub const ABANDONED_CART: &str = "msdynmkt_abandonedcart_690385127";
/// Shipping notification, after a store has shipped an order.
pub const SHIPPING_NOTIFICATION: &str = "msdynmkt_shippingnotification_207518364";
/// Ready for pick-up, when an order waits in a store.
pub const READY_FOR_PICKUP: &str = "msdynmkt_readyforpickup_481930275";
/// Refund confirmation, after a return.
pub const REFUND_CONFIRMATION: &str = "msdynmkt_refundconfirmation_839264017";
/// Welcome, after a customer was created.
pub const WELCOME: &str = "msdynmkt_welcome_156047923";

/// All of them.
pub fn demo_triggers() -> Vec<Trigger> {
    vec![
        trigger(
            ORDER_CONFIRMATION,
            &[
                ("msdynmkt_amountpaid", Decimal),
                ("msdynmkt_channelreferenceid", Text),
                ("msdynmkt_createddatetime", Text),
                ("msdynmkt_currencycode", Text),
                ("msdynmkt_name", Text),
                ("msdynmkt_receiptemail", Text),
                ("msdynmkt_salesid", Text),
            ],
        ),
        trigger(
            FEEDBACK_REQUEST,
            &[
                ("msdynmkt_orderid", Text),
                ("msdynmkt_receiptemail", Text),
                ("msdynmkt_purchasedat", DateTime),
                ("msdynmkt_storename", Text),
            ],
        ),
        trigger(
            LOYALTY_INVITATION,
            &[
                ("msdynmkt_orderid", Text),
                ("msdynmkt_firstname", Text),
                ("msdynmkt_amountpaid", Decimal),
                ("msdynmkt_currencycode", Text),
            ],
        ),
        trigger(
            ABANDONED_CART,
            &[
                ("msdynmkt_cartid", Text),
                ("msdynmkt_addedat", DateTime),
                ("msdynmkt_itemcount", Decimal),
                ("msdynmkt_carttotal", Decimal),
                ("msdynmkt_firstname", Text),
            ],
        ),
    ]
    .into_iter()
    .chain(example_triggers())
    .collect()
}

/// Those of the example journeys.
fn example_triggers() -> [Trigger; 4] {
    let of_order = |name: &str, attributes: &[(&str, ParameterKind)]| {
        let order = [("msdynmkt_orderid", Text), ("msdynmkt_receiptemail", Text), ("msdynmkt_firstname", Text)];
        trigger(name, &[attributes, &order].concat())
    };
    [
        of_order(SHIPPING_NOTIFICATION, &[("msdynmkt_shippedat", DateTime)]),
        of_order(READY_FOR_PICKUP, &[("msdynmkt_storename", Text), ("msdynmkt_pickupcode", Text)]),
        of_order(REFUND_CONFIRMATION, &[("msdynmkt_refundamount", Decimal), ("msdynmkt_currencycode", Text)]),
        trigger(WELCOME, &[("msdynmkt_createdat", DateTime), ("msdynmkt_firstname", Text)]),
    ]
}

/// The common parameters of every custom trigger, and its own attributes.
fn trigger(name: &str, attributes: &[(&str, ParameterKind)]) -> Trigger {
    let mut parameters = vec![
        Parameter::required("msdynmkt_signaltimestamp", DateTime),
        Parameter::required("msdynmkt_signalingestiontimestamp", DateTime),
        Parameter::required("msdynmkt_signaluserauthid", Text),
        Parameter::required("msdynmkt_profileid", Text),
        Parameter::optional("msdynmkt_bindingid", Text),
    ];
    parameters.extend(attributes.iter().map(|(name, kind)| Parameter::required(name, *kind)));
    Trigger { name: name.to_owned(), parameters }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_confirmation_equals_the_reference_solution() {
        let reference = include_str!("../../fixtures/checkout-trigger-parameters.json");
        assert_eq!(demo_triggers()[0], Trigger::from_json(reference).unwrap());
    }

    #[test]
    fn an_unknown_type_code_is_rejected() {
        let text = r#"{"trigger": "t", "parameters": [{"name": "p", "type": 5, "optional": false}]}"#;
        assert!(Trigger::from_json(text).unwrap_err().to_string().contains("5 is not the code"));
    }
}
