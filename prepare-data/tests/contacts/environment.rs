//! A gold table and a Dataverse to synchronise it with.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use commerce_journeys::clock::Clock as HandlerClock;
use commerce_journeys::contacts::{Person, contact_id};
use commerce_journeys::settings::ContactSettings;
use deltalake::DeltaTable;
use deltalake::arrow::array::{ArrayRef, RecordBatch, StringArray};
use deltalake::protocol::SaveMode;
use prepare_data::contacts::{SyncContactsArgs, SyncContext, SyncError, SyncReport, sync};
use sandbox::clock::Clock;
use sandbox::dataverse::{Contact, Dataverse, DataverseOptions};
use sandbox::environment::{Environment, EnvironmentOptions};
use sandbox::network::Dependency;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

/// A company that Dataverse knows, as gold writes it.
pub(crate) const COMPANY: &str = "tst1";

/// A customer of gold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Customer {
    pub(crate) company: &'static str,
    pub(crate) number: String,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) party_number: Option<String>,
    pub(crate) customer_group: Option<String>,
}

impl Customer {
    /// A customer with this number and everything that belongs to it.
    pub(crate) fn new(number: &str) -> Self {
        let text = |text: String| Some(text);
        Self {
            company: COMPANY,
            number: number.to_owned(),
            first_name: text(format!("First {number}")),
            last_name: text(format!("Last {number}")),
            email: text(format!("{}@example.org", number.to_lowercase())),
            party_number: text(format!("P-{number}")),
            customer_group: text("retail".to_owned()),
        }
    }

    pub(crate) fn many(count: usize) -> Vec<Self> {
        (0..count).map(|n| Self::new(&format!("N{n:05}"))).collect()
    }

    pub(crate) fn key(&self) -> String {
        format!("{}-{}", self.company, self.number)
    }

    /// The id that a contact of this customer gets.
    pub(crate) fn contact_id(&self) -> Uuid {
        let person =
            Person { number: Some(self.number.clone()), company: self.company.to_owned(), ..Person::default() };
        contact_id(&person)
    }
}

/// All dependencies in simulated time, and a lake.
pub(crate) struct TestEnvironment {
    pub(crate) environment: Environment,
    pub(crate) lake: TempDir,
    pub(crate) company: Uuid,
    pub(crate) group: Uuid,
    /// Contacts that were there before.
    strangers: usize,
    settings: BTreeMap<String, String>,
}

impl TestEnvironment {
    pub(crate) async fn usual() -> Self {
        Self::with(DataverseOptions::default()).await
    }

    pub(crate) async fn with(dataverse: DataverseOptions) -> Self {
        let now = DateTime::from_timestamp(Utc::now().timestamp(), 0).unwrap();
        Self::open(EnvironmentOptions { dataverse, ..EnvironmentOptions::new(Clock::simulated(now)) }).await
    }

    pub(crate) async fn open(options: EnvironmentOptions) -> Self {
        let environment = Environment::start(options).await.unwrap();
        let company = environment.dataverse().add_company("TST1", "A company");
        let group = environment.dataverse().add_customer_group("retail", Some(company));
        let (strangers, settings) = (environment.dataverse().contact_count(), environment.settings_with_secrets());
        Self { environment, lake: TempDir::new().unwrap(), company, group, strangers, settings }
    }

    pub(crate) fn dataverse(&self) -> &Dataverse {
        self.environment.dataverse()
    }

    /// Contacts beside those that were there before.
    pub(crate) fn new_contacts(&self) -> usize {
        self.dataverse().contact_count() - self.strangers
    }

    /// Requests to Dataverse so far.
    pub(crate) fn calls(&self) -> u64 {
        self.environment.network().calls().get(&Dependency::Dataverse).copied().unwrap_or_default()
    }

    pub(crate) fn customers_location(&self) -> String {
        self.lake.path().join("gold/customers").to_str().unwrap().to_owned()
    }

    /// Makes these the customers of gold.
    pub(crate) async fn gold(&self, customers: &[Customer]) {
        let location = self.customers_location();
        std::fs::create_dir_all(&location).unwrap();
        let table = DeltaTable::try_from_url(Url::from_directory_path(location).unwrap()).await.unwrap();
        let text = |value: &dyn Fn(&Customer) -> Option<String>| -> ArrayRef {
            Arc::new(customers.iter().map(value).collect::<StringArray>())
        };
        let columns = [
            ("customer_id", text(&|it| Some(it.key()))),
            ("company", text(&|it| Some(it.company.to_owned()))),
            ("customer_number", text(&|it| Some(it.number.clone()))),
            ("first_name", text(&|it| it.first_name.clone())),
            ("last_name", text(&|it| it.last_name.clone())),
            ("full_name", text(&|_| None)),
            ("email", text(&|it| it.email.clone())),
            ("party_number", text(&|it| it.party_number.clone())),
            ("customer_group", text(&|it| it.customer_group.clone())),
            ("city", text(&|_| Some("Not read".to_owned()))),
        ];
        let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, it)| (name, it, true))).unwrap();
        table.write([batch]).with_save_mode(SaveMode::Overwrite).await.unwrap();
    }

    pub(crate) fn args(&self) -> SyncContactsArgs {
        SyncContactsArgs {
            customers: self.customers_location(),
            state: None,
            dry_run: false,
            all: false,
            limit: None,
            share: 100,
            batch: 500,
            json: false,
        }
    }

    pub(crate) async fn sync(&self) -> SyncReport {
        self.sync_with(|_| {}).await.unwrap()
    }

    pub(crate) async fn sync_with(&self, change: impl FnOnce(&mut SyncContactsArgs)) -> Result<SyncReport, SyncError> {
        let mut args = self.args();
        change(&mut args);
        let settings = ContactSettings::read(|name| self.settings.get(name).cloned()).unwrap();
        let context = SyncContext { settings, clock: self.clock() };
        sync(&args, context).await
    }

    pub(crate) fn clock(&self) -> Arc<SimulatedClock> {
        Arc::new(SimulatedClock(self.environment.clock().clone()))
    }

    /// Sets an app setting.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn settings(&self) -> &BTreeMap<String, String> {
        &self.settings
    }

    pub(crate) fn contact(&self, id: Uuid) -> Contact {
        self.dataverse().contact(id).expect("the contact exists")
    }
}

/// The simulated clock, as the product reads it.
#[derive(Debug)]
pub(crate) struct SimulatedClock(Clock);

impl HandlerClock for SimulatedClock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.0.clone();
        Box::pin(async move { drop(clock.sleep(duration).await) })
    }

    fn chance(&self) -> f64 {
        0.5
    }
}

/// A contact with this number and address.
pub(crate) fn contact(number: Option<&str>, email: Option<&str>) -> Contact {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Contact { contact_number: text(number), email: text(email), last_name: text(Some("X")), ..Contact::default() }
}
