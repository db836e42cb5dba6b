//! The test environment: all dependencies, the Functions host, and the handler on its own runtime. A kill ends the handler
//! in the middle of its requests.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commerce_journeys::clock::Clock as HandlerClock;
use commerce_journeys::functions::Services;
use commerce_journeys::journeys::Journeys;
use commerce_journeys::settings::Settings;
use sandbox::audit::Journey;
use sandbox::clock::{Clock, TimeHold};
use sandbox::environment::{Environment, EnvironmentOptions, FUNCTION_KEY, FunctionApp};
use sandbox::host::{App as HostedApp, Exit, Host, Launch, Launched, Start};
use sandbox::service_bus::Counts;
use sandbox::shop::{CartOpening, Checkout, EventRow, Item, PRODUCTS, Shop};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Longer than anything takes on a slow machine, in real time.
const TOO_LONG: Duration = Duration::from_secs(600);

/// Waits in real time until `found` returns something. Fails with the description `what` instead of waiting for ever.
pub(crate) async fn wait_for<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let poll = async {
        loop {
            if let Some(found) = found() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(TOO_LONG, poll).await.unwrap_or_else(|_| panic!("{TOO_LONG:?} were not enough for {what}"))
}

/// `journeys.json` as shipped.
pub(crate) const SHIPPED: &str = include_str!("../../journeys.json");

/// All four journeys of the shipped file, with a wait that is as short as the audit's.
pub(crate) fn all_journeys() -> String {
    let wait = format!("00:00:{:02}", sandbox::shop::CART_WAIT.num_seconds());
    SHIPPED.replace("\"enabled\": false", "\"enabled\": true").replace("01:00:00", &wait)
}

/// The options of a test environment.
pub(crate) struct Plan {
    pub(crate) environment: EnvironmentOptions,
    pub(crate) journeys: String,
    pub(crate) settings: Vec<(&'static str, String)>,
    /// Whether everything happens sequentially, in the same order every time.
    pub(crate) in_order: bool,
    /// How much longer than in production a batch waits for more, in real time. Then a slow machine never splits a batch.
    pub(crate) linger: u32,
    /// A function that the first instance does not run.
    pub(crate) disabled: Option<&'static str>,
}

impl Plan {
    /// Simulated time, no faults, only the order confirmation.
    pub(crate) fn usual() -> Self {
        // Not earlier than the machine's own time, with which Service Bus signatures are made.
        let now = DateTime::from_timestamp(Utc::now().timestamp() / 60 * 60, 0).unwrap();
        Self {
            environment: EnvironmentOptions::new(Clock::simulated(now)),
            journeys: SHIPPED.to_owned(),
            settings: Vec::new(),
            in_order: false,
            linger: 20,
            disabled: None,
        }
    }

    pub(crate) fn with_journeys(self, journeys: impl Into<String>) -> Self {
        Self { journeys: journeys.into(), ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// One enrichment and one delivery at a time.
    pub(crate) fn in_order(self) -> Self {
        Self { in_order: true, ..self.with("CommerceConcurrency", "1") }
    }

    pub(crate) async fn open(self) -> TestEnvironment {
        TestEnvironment::open(self).await
    }
}

pub(crate) struct TestEnvironment {
    pub(crate) environment: Environment,
    pub(crate) app: FunctionApp,
    /// A second instance of the app, if there is one.
    second: Option<FunctionApp>,
    launch: Arc<InProcess>,
    settings: BTreeMap<String, String>,
    /// Holds the simulated time until the test lets it pass.
    busy: Option<TimeHold>,
}

impl TestEnvironment {
    pub(crate) async fn usual() -> Self {
        Plan::usual().open().await
    }

    async fn open(plan: Plan) -> Self {
        log();
        let clock = plan.environment.clock.clone();
        let busy = clock.hold();
        let environment = Environment::start(plan.environment).await.unwrap();
        let mut settings = environment.settings_with_secrets();
        // Long enough for a slow machine, short enough for a test of hanging dependencies.
        settings.insert("RequestTimeout".to_owned(), "00:00:10".to_owned());
        // Carts too, although no journey of the shipped file needs them: more events, and some that start nothing.
        settings.insert("EventTypes".to_owned(), "Checkout,AddCartLines".to_owned());
        settings.extend(plan.settings.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let mut app = HostedApp::read(Path::new(env!("CARGO_MANIFEST_DIR")), &settings).unwrap();
        if plan.in_order {
            app.max_concurrent_calls = Some(1);
        }
        app.functions.retain(|function| Some(function.name.as_str()) != plan.disabled);
        let launch = Arc::new(InProcess {
            clock,
            ahead: TimeDelta::zero(),
            linger: plan.linger,
            journeys: plan.journeys,
            port: AtomicU16::default(),
        });
        let app = environment.host(app, launch.clone(), Arc::new(|_, _| {})).await.unwrap();
        assert!(app.host().ready().await);
        Self { environment, app, second: None, launch, settings, busy: Some(busy) }
    }

    pub(crate) fn shop(&self) -> &Shop {
        self.environment.shop()
    }

    /// The port of the current handler.
    pub(crate) fn handler_port(&self) -> u16 {
        self.launch.port.load(Ordering::SeqCst)
    }

    /// Starts a second instance of the same app whose clock is ahead.
    pub(crate) async fn add_instance_ahead(&mut self, ahead: TimeDelta) {
        let InProcess { clock, linger, journeys, .. } = &*self.launch;
        let (clock, linger, journeys) = (clock.clone(), *linger, journeys.clone());
        self.launch = Arc::new(InProcess { clock, ahead, linger, journeys, port: AtomicU16::default() });
        self.add_instance().await;
    }

    /// Starts a second instance of the same app.
    pub(crate) async fn add_instance(&mut self) {
        let app = HostedApp::read(Path::new(env!("CARGO_MANIFEST_DIR")), &self.settings).unwrap();
        let second = self.environment.host(app, self.launch.clone(), Arc::new(|_, _| {})).await.unwrap();
        assert!(second.host().ready().await);
        self.second = Some(second);
    }

    /// The host of the first or of the second instance.
    pub(crate) fn instance(&self, number: usize) -> &Host {
        if number == 0 { self.app.host() } else { self.second.as_ref().unwrap().host() }
    }

    /// Lets time pass.
    pub(crate) async fn pass(&mut self, time: TimeDelta) {
        drop(self.busy.take());
        self.busy = Some(self.environment.clock().sleep(time.to_std().unwrap()).await);
    }

    /// Lets a minute pass: three polls with everything that follows from them.
    pub(crate) async fn minute(&mut self) {
        self.pass(TimeDelta::minutes(1)).await;
    }

    /// Whether this many events have a final record, and no message is left except dead letters.
    pub(crate) async fn is_settled(&self, events: usize) -> bool {
        let records = self.records().await;
        let counts = Counts { dead_lettered: 0, ..self.environment.counts() };
        let is_final = |record: &Value| record["status"] == "processed" || record["status"] == "failed";
        records.len() == events && records.values().all(is_final) && counts == Counts::default()
    }

    /// Lets time pass until this many events are settled, at most `minutes`.
    pub(crate) async fn settle(&mut self, events: usize, minutes: usize) {
        for _ in 0..minutes {
            if self.is_settled(events).await {
                break;
            }
            self.minute().await;
        }
    }

    /// A checkout in the first store, of a customer or a guest.
    pub(crate) fn checkout(&self, customer: Option<&str>, email: Option<&str>) -> EventRow {
        self.checkout_in(sandbox::shop::CHANNELS[0].id, customer, email)
    }

    pub(crate) fn checkout_in(&self, channel: i64, customer: Option<&str>, email: Option<&str>) -> EventRow {
        let cart = self.fill_cart(channel, customer, 1).transaction_id;
        self.shop()
            .checkout(&cart, Checkout { receipt_email: email.map(str::to_owned), ..Checkout::default() })
            .unwrap()
    }

    /// A cart with this many lines; the row of its `AddCartLines`.
    pub(crate) fn fill_cart(&self, channel: i64, customer: Option<&str>, lines: usize) -> EventRow {
        let opening = CartOpening { channel, customer: customer.map(str::to_owned), ..CartOpening::default() };
        let cart = self.shop().open_cart(opening).unwrap();
        let items = vec![Item { product: PRODUCTS[0].id, quantity: 1 }; lines];
        self.shop().add_to_cart(&cart, &items).unwrap()
    }

    /// A customer with an e-mail address who has no contact in Dataverse.
    pub(crate) fn stranger(&self) -> String {
        let known = self.environment.dataverse().contacts();
        let is_known = |account: &str, email: &str| {
            known.iter().any(|contact| {
                contact.contact_number.as_deref() == Some(account)
                    || contact.email.as_deref().is_some_and(|known| known.eq_ignore_ascii_case(email))
            })
        };
        let customers = self.shop().customers();
        let mut strangers = customers.iter().filter(|customer| {
            customer.data_area == sandbox::shop::CHANNELS[0].data_area
                && customer.reachable_at().is_some_and(|email| !is_known(&customer.account, email))
        });
        strangers.next().unwrap().account.clone()
    }

    /// All event records, by transaction id and type.
    pub(crate) async fn records(&self) -> BTreeMap<(String, String), Value> {
        let documents = self.environment.cosmos().documents().await.unwrap();
        let text = |document: &Value, field: &str| document[field].as_str().unwrap_or_default().to_owned();
        documents
            .into_iter()
            .filter(|document| document.get("status").is_some())
            .map(|document| ((text(&document, "EventTransactionId"), text(&document, "EventType")), document))
            .collect()
    }

    pub(crate) async fn record(&self, event: &EventRow) -> Value {
        let key = (event.transaction_id.clone(), event.event_type.clone());
        self.records().await.remove(&key).unwrap_or_else(|| panic!("no record of {key:?}"))
    }

    /// Asserts that every event started the right journeys once, and that no work is left.
    pub(crate) fn assert_clean(&self, enabled: &[Journey]) {
        let audit = self.environment.audit(enabled, &[]);
        assert!(audit.is_clean(), "{audit:#?}");
    }

    /// Lets the environment run until a condition holds. Waits in real time.
    pub(crate) async fn until(&mut self, condition: impl Fn(&Self) -> bool) {
        drop(self.busy.take());
        wait_for("the condition of a scenario", || condition(self).then_some(())).await;
        self.busy = Some(self.environment.clock().hold());
    }

    /// Calls `trigger-journey` through the host. Returns status and body.
    pub(crate) async fn trigger(&mut self, body: &Value) -> (u16, Value) {
        self.trigger_raw(body.to_string()).await
    }

    pub(crate) async fn trigger_raw(&mut self, body: String) -> (u16, Value) {
        // The handler may have to wait for a timer.
        drop(self.busy.take());
        let url = format!("{}api/trigger-journey", self.app.url());
        let request = reqwest::Client::new().post(url).header("x-functions-key", FUNCTION_KEY);
        let reply = request.header("content-type", "application/json").body(body).send().await.unwrap();
        self.busy = Some(self.environment.clock().hold());
        let status = reply.status().as_u16();
        (status, serde_json::from_str(&reply.text().await.unwrap()).unwrap_or(Value::Null))
    }
}

/// Runs the handler on its own thread and runtime. A kill drops the runtime with all requests.
struct InProcess {
    clock: Clock,
    /// How far the machine's clock is ahead of the others.
    ahead: TimeDelta,
    linger: u32,
    journeys: String,
    port: AtomicU16,
}

#[async_trait]
impl Launch for InProcess {
    async fn launch(&self, start: Start) -> io::Result<Launched> {
        let settings = Settings::read(|name| start.environment.get(name).cloned()).map_err(io::Error::other)?;
        let setting = |name: &str| start.environment.get(name).cloned();
        let journeys =
            Journeys::read(&self.journeys, setting).map_err(|problems| io::Error::other(format!("{problems:?}")))?;
        let clock = Arc::new(EnvironmentClock { clock: self.clock.clone(), ahead: self.ahead, linger: self.linger });
        let (kill, killed) = oneshot::channel::<()>();
        let (ended, exited) = oneshot::channel();
        let port = start.port;
        self.port.store(port, Ordering::SeqCst);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let code = runtime.block_on(async {
                let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
                let services = Arc::new(Services::new(settings, journeys, clock).unwrap());
                tokio::select! {
                    _ = killed => None,
                    served = commerce_journeys::run(listener, std::future::pending(), services) => Some(i32::from(served.is_err())),
                }
            });
            runtime.shutdown_background();
            let _ = ended.send(Exit(code));
        });
        let kill = std::sync::Mutex::new(Some(kill));
        Ok(Launched {
            process: None,
            port,
            kill: Box::new(move || {
                let _ = kill.lock().unwrap().take().map(|kill| kill.send(()));
            }),
            exited: Box::pin(async move { exited.await.unwrap_or(Exit(None)) }),
        })
    }
}

/// The simulated time for the handler.
#[derive(Debug)]
struct EnvironmentClock {
    clock: Clock,
    ahead: TimeDelta,
    linger: u32,
}

impl HandlerClock for EnvironmentClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now() + self.ahead
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clock.clone();
        Box::pin(async move { clock.sleep_inside(duration).await })
    }

    fn linger(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(self.linger * duration))
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// Prints the handler's log for a failing test: `RUST_LOG=commerce_journeys=info cargo test …`.
fn log() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}
