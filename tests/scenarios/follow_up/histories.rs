//! Random histories of carts agree with a small model: add, remove, buy, and events that become visible late.

use chrono::TimeDelta;
use sandbox::audit::Journey;
use sandbox::shop::{Checkout, Item, PRODUCTS};

use super::{CART, minutes, reminders};
use crate::environment::TestEnvironment;
use crate::random::Random;

/// What happens to a cart in one step of 25 minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Add,
    /// The event becomes visible two minutes late, after later ones.
    AddLate,
    Remove,
    Buy,
}

const STEPS: [Step; 8] =
    [Step::Nothing, Step::Nothing, Step::Nothing, Step::Nothing, Step::Add, Step::AddLate, Step::Remove, Step::Buy];

/// The number of lines in the reminder, if there is one.
fn model(history: &[Step]) -> Option<usize> {
    let (mut lines, mut quiet) = (1_usize, 0);
    for step in history {
        quiet += 1;
        match step {
            Step::Add | Step::AddLate => (lines, quiet) = (lines + 1, 0),
            Step::Remove => lines = lines.saturating_sub(1),
            Step::Buy if lines > 0 => return None,
            Step::Buy | Step::Nothing => {}
        }
        // It is due between this step and the next.
        if quiet == 2 && lines > 0 {
            return Some(lines);
        }
    }
    None
}

/// Not possible after the purchase.
fn add(test: &TestEnvironment, cart: &str) {
    drop(test.shop().add_to_cart(cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]));
}

fn perform(test: &TestEnvironment, cart: &str, step: Step) {
    match step {
        Step::Nothing => {}
        Step::Add => add(test, cart),
        Step::AddLate => {
            test.shop().set_commit_delay(minutes(2));
            add(test, cart);
            test.shop().set_commit_delay(TimeDelta::zero());
        }
        Step::Remove => drop(test.shop().remove_from_cart(cart)),
        Step::Buy => drop(test.shop().checkout(cart, Checkout::default())),
    }
}

#[tokio::test]
async fn random_histories_of_carts_agree_with_the_model() {
    let carts = std::env::var("CART_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let mut test = reminders().with("InitialLookback", "1.00:00:00").open().await;
    let customers: Vec<String> = test
        .shop()
        .customers()
        .iter()
        .filter(|it| it.data_area == sandbox::shop::CHANNELS[0].data_area)
        .map(|it| it.account.clone())
        .collect();
    let mut random = Random(7);
    let histories: Vec<Vec<Step>> =
        (0..carts).map(|_| (0..9).map(|_| STEPS[random.below(STEPS.len())]).collect()).collect();
    let ids: Vec<String> =
        (0..carts).map(|cart| test.open_cart_of(&customers[cart % customers.len()]).transaction_id).collect();
    for step in 0..12 {
        // A reminder is due ten minutes after the second step without a change.
        test.pass(minutes(25)).await;
        for (history, id) in histories.iter().zip(&ids) {
            perform(&test, id, history.get(step).copied().unwrap_or(Step::Nothing));
        }
    }
    test.pass(minutes(70)).await;
    let started = test.environment.dataverse().started();
    for (history, id) in histories.iter().zip(&ids) {
        let mut whole = history.clone();
        whole.extend([Step::Nothing; 6]);
        let of_cart = started.iter().filter(|it| it.parameters().get("msdynmkt_cartid") == Some(&id.as_str().into()));
        let sent: Vec<String> = of_cart.filter_map(|it| it.as_written("msdynmkt_itemcount")).collect();
        let expected: Vec<String> = model(&whole).iter().map(|lines| format!("{lines}.0")).collect();
        assert_eq!(sent, expected, "{history:?}");
    }
    let audit = test.environment.audit(&CART, &[]);
    assert!(audit.duplicated.is_empty() && audit.duplicate_contacts.is_empty(), "{audit:#?}");
    let sent = started.iter().filter(|it| it.trigger == Journey::AbandonedCart.trigger()).count();
    println!("{carts} histories of carts: {sent} reminders");
    assert!(sent > carts / 5 && sent < carts, "{sent}");
}
