use std::collections::HashSet;

use chrono::DateTime;
use serde_json::Value;
use serde_json::value::RawValue;

use super::*;

const HOUSTON: i64 = 5_637_144_592;
const ONLINE: i64 = 5_637_146_827;
const GERMANY: i64 = 5_637_212_326;

fn shop() -> (Shop, crate::clock::TimeHold) {
    let clock = Clock::simulated(DateTime::from_timestamp(1_760_000_000, 125_000_000).unwrap());
    let hold = clock.hold();
    (Shop::new(clock, 7), hold)
}

fn everything() -> EventSearch {
    EventSearch { event_type: None, after: None, until: None, skip: 0, top: usize::MAX }
}

fn buy(shop: &Shop, channel: i64, lines: usize) -> EventRow {
    let cart = shop.open_cart(CartOpening { channel, ..CartOpening::default() }).unwrap();
    let items: Vec<_> = (0..lines).map(|i| Item { product: PRODUCTS[i % PRODUCTS.len()].id, quantity: 1 }).collect();
    shop.add_to_cart(&cart, &items).unwrap();
    shop.checkout(&cart, Checkout::default()).unwrap()
}

#[tokio::test]
async fn the_ledger_agrees_with_the_orders_that_are_served() {
    let (shop, _hold) = shop();
    for action in shop.plan(150, 3) {
        shop.perform(&action).unwrap();
    }
    let ledger = shop.ledger();
    assert_eq!(ledger.iter().filter(|entry| entry.order.is_some()).count(), 150);
    for entry in &ledger {
        let row = &entry.event;
        let customer = entry.account.as_ref().map(|account| {
            let body = shop.customer_body(&row.data_area_id, account).unwrap();
            serde_json::from_slice::<Value>(&body).unwrap()
        });
        let cart: Value =
            serde_json::from_slice(&shop.cart_body(row.channel_id, &row.transaction_id).unwrap()).unwrap();
        assert_eq!(cart["CustomerId"], row.customer_id);
        assert_eq!(cart["LoyaltyCardId"], entry.loyalty_card.clone().unwrap_or_default());
        let Some(facts) = &entry.order else { continue };
        let body = shop.order_body(row.channel_id, &row.transaction_id).unwrap();
        let order: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(row.data, "{}");
        assert_eq!(order["Id"], row.transaction_id);
        assert_eq!(order["CustomerId"], entry.account.clone().unwrap_or_default());
        assert_eq!(order["InternalTransactionId"], facts.internal_transaction_id);
        assert_eq!(order["CurrencyCode"], facts.currency);
        assert_eq!(order["ChannelReferenceId"], facts.channel_reference_id);
        assert_eq!(order["SalesId"], facts.sales_id);
        assert_eq!(order["ReceiptEmail"], facts.receipt_email);
        assert_eq!(order["Name"], facts.name);
        assert_eq!(order["CreatedDateTime"], facts.created);
        assert_eq!(order["LoyaltyCardId"], entry.loyalty_card.clone().unwrap_or_default());
        let field = |from: &Value, name: &str| from[name].as_str().map(str::to_owned).filter(|text| !text.is_empty());
        let of_customer = |name: &str| customer.as_ref().and_then(|customer| field(customer, name));
        let reachable = field(&order, "ReceiptEmail").or_else(|| of_customer("ReceiptEmail"));
        assert_eq!(entry.email, reachable.or_else(|| of_customer("Email")));
        let amounts: Amounts<'_> = serde_json::from_slice(&body).unwrap();
        assert_eq!(amounts.paid.get(), facts.amount_paid);
    }
}

#[derive(serde::Deserialize)]
struct Amounts<'a> {
    #[serde(rename = "AmountPaid", borrow)]
    paid: &'a RawValue,
}

#[tokio::test]
async fn a_plan_is_the_same_for_a_seed_and_has_the_requested_orders() {
    let (shop, _hold) = shop();
    assert!(shop.plan(0, 1).is_empty());
    for orders in [1, 2, 7, 200] {
        let day = shop.plan(orders, 5);
        assert_eq!(day, shop.plan(orders, 5));
        assert_eq!(day.iter().filter(|action| action.is_checkout()).count(), orders);
    }
    let day = shop.plan(200, 5);
    assert_ne!(day, shop.plan(200, 6));
    let newcomers = |action: &Action| matches!(action.shopper, Shopper::New(_)) && action.is_checkout();
    assert!(day.windows(2).any(|pair| newcomers(&pair[0]) && pair[0].shopper == pair[1].shopper));
    assert!(day.iter().any(|action| !action.is_checkout()));
    assert!(day.iter().any(|action| action.is_checkout() && matches!(action.shopper, Shopper::Guest { .. })));
    let known: Vec<_> = day.iter().filter(|action| matches!(action.shopper, Shopper::Known(_))).collect();
    let distinct: HashSet<_> = known.iter().map(|action| format!("{:?}", action.shopper)).collect();
    assert!(distinct.len() < known.len(), "somebody comes again");
    assert_eq!(day.iter().map(|action| action.channel).collect::<HashSet<_>>().len(), CHANNELS.len());
}

#[tokio::test]
async fn orders_have_the_structure_of_live_orders() {
    let (shop, _hold) = shop();
    let in_store = buy(&shop, HOUSTON, 2);
    let body = shop.order_body(HOUSTON, &in_store.transaction_id).unwrap();
    assert!((8_000..20_000).contains(&body.len()), "{}", body.len());
    let order: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(order["ReceiptEmail"], "");
    assert_eq!(order["ModifiedDateTime"], "1900-01-01T00:00:00Z");
    assert_ne!(order["ReceiptId"], "");
    assert!(order["NetAmount"].as_f64().unwrap() < 0.0);
    assert!(order["BeginDateTime"].as_str().unwrap().ends_with("-05:00"));
    assert!(order["CreatedDateTime"].as_str().unwrap().ends_with('Z'));
    // As many fields as the live order has: none is misspelled, and none is added.
    let fields = |value: &Value| value.as_object().unwrap().len();
    assert_eq!([fields(&order), fields(&order["SalesLines"][0])], [133, 134]);
    assert_eq!([fields(&order["TenderLines"][0]), fields(&order["TaxLines"][0])], [55, 13]);
    assert_eq!(fields(&order["SalesLines"][0]["TaxLines"][0]), 14);
    assert!(in_store.transaction_id.starts_with("HOUSTON-HOUSTON-") && in_store.transaction_id.len() <= 44);

    let online = buy(&shop, ONLINE, 2);
    let body = shop.order_body(ONLINE, &online.transaction_id).unwrap();
    assert!((10_000..20_000).contains(&body.len()), "{}", body.len());
    let order: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(order["ChannelReferenceId"].as_str().unwrap().len(), 10);
    assert_eq!([fields(&order), fields(&order["ShippingAddress"])], [134, 51]);
    assert_eq!(fields(&order["SalesLines"][0]["ChargeLines"][0]), 47);
    let cart: Value = serde_json::from_slice(&shop.cart_body(ONLINE, &online.transaction_id).unwrap()).unwrap();
    assert_eq!([fields(&cart), fields(&cart["CartLines"][0])], [42, 31]);
    assert_eq!(body, shop.order_body(ONLINE, &online.transaction_id).unwrap(), "the same bytes every time");

    buy(&shop, GERMANY, 1);
    let paid = shop.ledger().last().unwrap().order.clone().unwrap().amount_paid;
    assert_eq!(paid.split_once('.').unwrap().1.len(), 16, "{paid}");
}

#[tokio::test]
async fn amounts_add_up() {
    let (shop, _hold) = shop();
    let row = buy(&shop, ONLINE, 2);
    let order: Value = serde_json::from_slice(&shop.order_body(ONLINE, &row.transaction_id).unwrap()).unwrap();
    let amount = |name: &str| order[name].as_f64().unwrap();
    let sum = amount("SubtotalAmount") + amount("ChargeAmount") + amount("TaxAmount");
    assert!((sum - amount("TotalAmount")).abs() < 0.001);
    assert_eq!(order["TenderLines"][0]["Amount"], order["AmountPaid"]);
    assert_eq!(order["SalesLines"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_large_cart_gives_an_order_of_megabytes() {
    let (shop, _hold) = shop();
    let row = buy(&shop, ONLINE, 1_000);
    assert!(shop.order_body(ONLINE, &row.transaction_id).unwrap().len() > 4_500_000);
}

#[tokio::test]
async fn a_cart_and_its_order_share_their_id_and_all_keys_are_unique() {
    let (shop, _hold) = shop();
    let opening = CartOpening { channel: HOUSTON, id: Some("it's one".into()), ..CartOpening::default() };
    let cart = shop.open_cart(opening.clone()).unwrap();
    assert_eq!(shop.open_cart(opening), Err(ShopError::CartExists));
    let item = [Item { product: PRODUCTS[0].id, quantity: 1 }];
    let first = shop.add_to_cart(&cart, &item).unwrap();
    let second = shop.add_to_cart(&cart, &item).unwrap();
    let sold = shop.checkout(&cart, Checkout::default()).unwrap();
    assert_eq!(second.date_time, first.date_time.next());
    assert_eq!((sold.transaction_id.as_str(), sold.date_time), ("it's one", first.date_time));
    assert_eq!(first.data.len(), 64);
    assert!(first.data.starts_with("[{\"LineId\":\""));
    assert_eq!(shop.checkout(&cart, Checkout::default()), Err(ShopError::AlreadyCheckedOut));
    assert_eq!(shop.add_to_cart(&cart, &item), Err(ShopError::AlreadyCheckedOut));
}

#[tokio::test]
async fn a_rejected_operation_changes_nothing() {
    let (shop, _hold) = shop();
    let long = CartOpening { channel: HOUSTON, id: Some("x".repeat(45)), ..CartOpening::default() };
    let cart = shop.open_cart(long).unwrap();
    let item = [Item { product: PRODUCTS[0].id, quantity: 1 }];
    assert!(matches!(shop.add_to_cart(&cart, &item), Err(ShopError::TooLong { .. })));
    assert_eq!(shop.checkout(&cart, Checkout::default()), Err(ShopError::NoLines));
    assert_eq!(shop.add_to_cart("none", &item), Err(ShopError::NoSuchCart));
    assert_eq!(shop.add_to_cart(&cart, &[Item { product: 1, quantity: 1 }]), Err(ShopError::NoSuchProduct));
    assert_eq!(shop.add_to_cart(&cart, &[Item { quantity: 0, ..item[0] }]), Err(ShopError::Quantity));
    assert!(shop.ledger().is_empty());
    assert_eq!(shop.search_events(&everything()), (Vec::new(), 0));
}

#[tokio::test]
async fn delayed_orders_are_readable_later_and_lost_orders_never() {
    let (shop, hold) = shop();
    shop.set_commit_delay(TimeDelta::seconds(30));
    shop.set_order_delay(Some(TimeDelta::seconds(60)));
    let late = buy(&shop, HOUSTON, 1);
    shop.set_order_delay(None);
    let lost = buy(&shop, HOUSTON, 1);
    assert_eq!(shop.search_events(&everything()).1, 0);
    assert_eq!(shop.ledger().len(), 4, "the ledger knows what is not yet committed");
    drop(hold);

    let _hold = shop.clock().sleep(std::time::Duration::from_secs(30)).await;
    assert_eq!(shop.search_events(&everything()).1, 4);
    assert!(shop.order_body(HOUSTON, &late.transaction_id).is_none());
    drop(_hold);

    let _hold = shop.clock().sleep(std::time::Duration::from_secs(60)).await;
    assert!(shop.order_body(HOUSTON, &late.transaction_id).is_some());
    assert!(shop.order_body(HOUSTON, &lost.transaction_id).is_none());
    assert!(shop.release_order(&lost.transaction_id));
    assert!(shop.order_body(HOUSTON, &lost.transaction_id).is_some());
    assert!(shop.replace_order_body(&lost.transaction_id, "{\"Id\":"));
    assert_eq!(shop.order_body(HOUSTON, &lost.transaction_id).unwrap(), "{\"Id\":");
}

#[tokio::test]
async fn an_extension_can_write_its_own_events() {
    let (shop, _hold) = shop();
    let customer = shop.customers().into_iter().find(|customer| customer.reachable_at().is_some()).unwrap();
    let row = EventRow {
        transaction_id: customer.account.clone(),
        date_time: SqlDateTime::nearest(shop.clock().now()),
        event_type: "CustomerCreate".into(),
        data_area_id: customer.data_area.into(),
        data: "{}".into(),
        channel_id: HOUSTON,
        terminal_id: String::new(),
        staff_id: String::new(),
        customer_id: customer.account.clone(),
    };
    assert_eq!(shop.emit_event(row.clone()), Ok(row.clone()));
    assert_eq!(shop.emit_event(row.clone()).unwrap().date_time, row.date_time.next());
    let entry = shop.ledger().remove(0);
    assert_eq!(entry.account.as_deref(), Some(customer.account.as_str()));
    assert_eq!(entry.email.as_deref(), customer.reachable_at());
    assert_eq!(entry.order, None);
}

#[tokio::test]
async fn old_rows_are_removed_but_stay_in_the_ledger() {
    let (shop, hold) = shop();
    buy(&shop, HOUSTON, 1);
    drop(hold);
    let _hold = shop.clock().sleep(std::time::Duration::from_secs(31 * 86_400)).await;
    buy(&shop, HOUSTON, 1);
    assert_eq!(shop.clean_up(TimeDelta::days(30)), 2);
    assert_eq!(shop.search_events(&everything()).1, 2);
    assert_eq!(shop.ledger().len(), 4);
}

/// A day with the events of a partner's extension.
fn day_with_partner_events(enabled: bool) -> (Shop, crate::clock::TimeHold) {
    let (shop, hold) = shop();
    shop.set_partner_events(enabled);
    for action in shop.plan(150, 3) {
        shop.perform(&action).unwrap();
    }
    (shop, hold)
}

const PARTNER_TYPES: [&str; 4] = [ORDER_SHIPPED, READY_FOR_PICKUP, ORDER_RETURNED, CUSTOMER_CREATED];

fn is_partners(entry: &LedgerEntry) -> bool {
    PARTNER_TYPES.contains(&entry.event.event_type.as_str())
}

#[tokio::test]
async fn partner_events_are_about_orders_of_stores_and_their_data_is_never_cut() {
    let (shop, _hold) = day_with_partner_events(true);
    let ledger = shop.ledger();
    for event_type in PARTNER_TYPES {
        let of_type: Vec<_> = ledger.iter().filter(|entry| entry.event.event_type == event_type).collect();
        let ids: HashSet<_> = of_type.iter().map(|entry| &entry.event.transaction_id).collect();
        assert!(ids.len() == of_type.len() && ids.len() > 5, "{event_type}: {}", of_type.len());
        for entry in of_type {
            let data: Value = serde_json::from_str(&entry.event.data).unwrap();
            let Some(about) = &entry.about else {
                assert!(shop.customer(&entry.event.customer_id).is_some());
                continue;
            };
            let key = data["Order"].as_str().unwrap_or(&entry.event.transaction_id);
            assert_eq!(key, about.transaction_id);
            assert!(shop.order_body(entry.event.channel_id, key).is_some(), "the store can read the order");
            assert_eq!(entry.kind, Some(ChannelKind::InStore));
        }
    }
}

#[tokio::test]
async fn a_day_has_the_same_sales_with_and_without_partner_events() {
    let ((with, _one), (without, _other)) = (day_with_partner_events(true), day_with_partner_events(false));
    let rest: Vec<_> = with.ledger().into_iter().filter(|entry| !is_partners(entry)).collect();
    assert!(rest == without.ledger() && rest.len() < with.ledger().len());
}
