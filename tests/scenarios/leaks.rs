//! No secret and no personal data leaks: a run with faults and with marked secrets and customers. No mark may occur in the
//! log or in a record.

use std::path::Path;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use sandbox::app_folder::{Enabled, assemble, repository};
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions};
use sandbox::faults::{FaultProfile, FaultSchedule};
use sandbox::host::{App, KillScope, Level, Process, Sink};
use sandbox::shop::{CHANNELS, CartOpening, Checkout, Customer, Item, PRODUCTS};

use crate::environment::wait_for;
use crate::log::assert_documented;

const MARK: &str = "MARK7F3A";

/// Sales to customers and guests. Every personal field contains the mark.
fn sell(environment: &Environment) {
    let shop = environment.shop();
    let model = shop.customers().into_iter().find(|customer| customer.data_area == CHANNELS[0].data_area).unwrap();
    for number in 0..40 {
        let account = format!("L-{number}");
        let customer = Customer {
            account: account.clone(),
            first_name: format!("{MARK}-first"),
            last_name: format!("{MARK}-last"),
            email: format!("{MARK}.{number}@example.org"),
            receipt_email: String::new(),
            phone: format!("+1 {MARK}"),
            ..(*model).clone()
        };
        shop.register(customer).unwrap();
        let customer = (number % 3 > 0).then_some(account);
        let opening = CartOpening { channel: CHANNELS[0].id, customer, ..CartOpening::default() };
        let cart = shop.open_cart(opening).unwrap();
        shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
        if number % 10 == 0 {
            shop.set_order_delay(None);
        }
        let receipt_email = Some(format!("{MARK}+receipt{number}@example.org"));
        let order = shop.checkout(&cart, Checkout { receipt_email, name: format!("{MARK} order") }).unwrap();
        shop.set_order_delay(Some(TimeDelta::zero()));
        if number % 10 == 5 {
            let whole = shop.order_body(CHANNELS[0].id, &order.transaction_id).unwrap();
            shop.replace_order_body(&order.transaction_id, whole.slice(..whole.len() - 9));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_no_customer_is_ever_printed_or_recorded() {
    let clock = Clock::real();
    let environment = Environment::start(EnvironmentOptions::new(clock.clone())).await.unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("leaks");
    let binary = Path::new(env!("CARGO_BIN_EXE_commerce-journeys"));
    assemble(&repository(), Some(binary), &folder, Enabled::All).unwrap();
    let profile = FaultProfile::storm();
    let mut settings = environment.settings_with_secrets();
    settings.extend(profile.suggested_settings());
    // A more detailed log than in production.
    settings.insert("RUST_LOG".to_owned(), "info,commerce_journeys=trace".to_owned());
    let printed = Arc::new(Mutex::new(String::new()));
    let output: Sink = {
        let printed = printed.clone();
        Arc::new(move |_: Level, line: &str| {
            let mut printed = printed.lock().unwrap();
            printed.push_str(line);
            printed.push('\n');
        })
    };
    let app = environment.host(App::read(&folder, &settings).unwrap(), Arc::new(Process), output).await.unwrap();
    assert!(app.host().ready().await);
    let faults = FaultSchedule::start(&environment, profile, 11);
    sell(&environment);
    // A few kills while requests are running.
    for calls in [150, 400, 700] {
        let reached = || environment.network().calls().values().sum::<u64>() >= calls;
        wait_for("the calls before a kill", || reached().then_some(())).await;
        app.host().replace_handler(KillScope::Process).await;
    }
    faults.stop();
    wait_for("60 started journeys", || (environment.dataverse().started().len() >= 60).then_some(())).await;
    let recorded = serde_json::to_string(&environment.cosmos().documents().await.unwrap()).unwrap();
    app.shutdown().await;

    let printed = printed.lock().unwrap().clone();
    for event in ["journeyStarted", "eventRetried", "invocation"] {
        assert!(printed.contains(&format!(r#""event":"{event}""#)), "no {event} in the log that is searched");
    }
    assert_documented(&printed);
    let secrets =
        ["CommerceClientSecretD365Commerce", "DataverseClientSecret", "CosmosDbKey"].map(|name| settings[name].clone());
    let key = settings["ServiceBusConnection"]
        .split("SharedAccessKey=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let tokens_begin_with = "eyJ".to_owned();
    for (place, text) in [("log", &printed), ("records", &recorded)] {
        for mark in secrets.iter().chain([&key, &tokens_begin_with, &MARK.to_owned(), &MARK.to_lowercase()]) {
            let found = text.lines().find(|line| line.contains(mark.as_str()));
            assert_eq!(found, None, "{mark} is in the {place}");
        }
    }
}
