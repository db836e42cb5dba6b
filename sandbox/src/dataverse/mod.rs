//! Dataverse with Customer Insights - Journeys: contacts, the Dual-write tables they refer to, and custom triggers.
//!
//! Wire formats: Microsoft's "Use the Microsoft Dataverse Web API", "Service protection API limits" and "Troubleshoot
//! Dataverse Web API client errors".

mod batch;
mod collation;
mod contact;
mod custom_apis;
mod demo;
mod error;
mod filter;
mod index;
mod journeys;
mod keys;
mod lexer;
mod limits;
mod payload;
mod permissions;
mod query;
mod request;
mod rows;
mod schema;
mod service;
mod triggers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use uuid::Uuid;

use self::rows::{Changes, Condition, Rows, Value};
use self::schema::Table;
use crate::auth::TokenCheck;
use crate::clock::Clock;

pub use self::contact::Contact;
pub use self::demo::{
    ABANDONED_CART, FEEDBACK_REQUEST, LOYALTY_INVITATION, ORDER_CONFIRMATION, READY_FOR_PICKUP, REFUND_CONFIRMATION,
    SHIPPING_NOTIFICATION, WELCOME, demo_triggers,
};
pub use self::journeys::StartedJourney;
pub use self::limits::Limits;
pub use self::triggers::{Parameter, ParameterKind, Trigger, UnknownKind};

/// The options of the environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataverseOptions {
    /// Whether Dual-write is installed. Without it there are no companies and no customer groups, and a contact cannot
    /// refer to them.
    pub dual_write: bool,
    /// Service protection limits, if they are enforced.
    pub limits: Option<Limits>,
    /// The largest page.
    pub max_page_size: usize,
}

impl Default for DataverseOptions {
    fn default() -> Self {
        Self { dual_write: true, limits: None, max_page_size: 5000 }
    }
}

/// A Dataverse environment. Clones share it.
#[derive(Clone)]
pub struct Dataverse {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    check: Arc<dyn TokenCheck>,
    options: DataverseOptions,
    gate: Option<Arc<limits::Gate>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Rows,
    triggers: BTreeMap<String, Published>,
    started: Vec<Arc<StartedJourney>>,
    role: permissions::SecurityRole,
}

struct Published {
    trigger: Arc<Trigger>,
    published: bool,
}

impl Dataverse {
    /// An environment without rows and triggers. `check` validates the callers' tokens.
    pub fn new(clock: Clock, check: Arc<dyn TokenCheck>, options: DataverseOptions) -> Self {
        let gate = options.limits.map(limits::Gate::new);
        Self { inner: Arc::new(Inner { clock, check, options, gate, state: Mutex::default() }) }
    }

    /// The Web API, version 9.2.
    pub fn router(&self) -> Router {
        service::router(self.clone())
    }

    /// Adds a company (legal entity) and returns its id.
    pub fn add_company(&self, code: &str, name: &str) -> Uuid {
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        let changes = Changes::from([("cdm_companycode", text(code)), ("cdm_name", text(name))]);
        self.seed(Table::Companies, Uuid::new_v4(), changes)
    }

    /// Adds a customer group of a company (or of none) and returns its id.
    pub fn add_customer_group(&self, group_id: &str, company: Option<Uuid>) -> Uuid {
        let changes = Changes::from([
            ("msdyn_groupid", Some(Value::Text(group_id.to_owned()))),
            ("_msdyn_company_value", company.map(Value::Id)),
        ]);
        self.seed(Table::CustomerGroups, Uuid::new_v4(), changes)
    }

    /// Adds a contact (or replaces the one with its id) and returns its id. Computed columns are ignored.
    pub fn add_contact(&self, contact: &Contact) -> Uuid {
        let id = if contact.id.is_nil() { Uuid::new_v4() } else { contact.id };
        self.seed(Table::Contacts, id, contact.changes())
    }

    /// Defines an alternate key of contacts.
    pub fn add_contact_key(&self, columns: &[&'static str]) {
        self.lock().rows.keys.define(columns.to_vec());
    }

    /// Deactivates a contact, or activates it. Returns whether there was one.
    pub fn set_active(&self, id: Uuid, active: bool) -> bool {
        let state = i64::from(!active);
        let changes = [("statecode", Some(Value::Int(state))), ("statuscode", Some(Value::Int(state + 1)))];
        self.change(id, Changes::from(changes))
    }

    /// Merges a contact into another one: it becomes inactive and names the other one as its master. Returns whether it
    /// exists.
    pub fn merge_contact(&self, id: Uuid, master: Uuid) -> bool {
        let is_merged = [("merged", Some(Value::Bool(true))), ("_masterid_value", Some(Value::Id(master)))];
        self.set_active(id, false) && self.change(id, Changes::from(is_merged))
    }

    fn change(&self, id: Uuid, changes: Changes) -> bool {
        let now = self.inner.clock.now();
        self.lock().rows.save(Table::Contacts, id, changes, Condition::Update, now).is_ok()
    }

    /// Removes a contact. Returns whether there was one.
    pub fn delete_contact(&self, id: Uuid) -> bool {
        self.lock().rows.delete(Table::Contacts, id, Condition::Update).is_ok()
    }

    /// Fault injection: another writer updates a contact, so that it has a new version. Returns whether there was one.
    /// Only `modifiedon` changes.
    pub fn touch_contact(&self, id: Uuid) -> bool {
        self.change(id, Changes::new())
    }

    /// All contacts, ordered by id.
    pub fn contacts(&self) -> Vec<Contact> {
        self.lock().rows.all(Table::Contacts).map(Contact::from_row).collect()
    }

    /// Whether a contact is inactive.
    pub fn has_inactive_contacts(&self) -> bool {
        self.lock().rows.all(Table::Contacts).any(|row| row.get("statecode") != Some(&Value::Int(0)))
    }

    /// The contact with this id.
    pub fn contact(&self, id: Uuid) -> Option<Contact> {
        self.lock().rows.get(Table::Contacts, id).map(Contact::from_row)
    }

    /// The last row version. It grows with every write and every delete.
    pub fn row_version(&self) -> u64 {
        self.lock().rows.version()
    }

    /// The number of contacts.
    pub fn contact_count(&self) -> usize {
        self.lock().rows.count(Table::Contacts)
    }

    /// Adds a published trigger, or replaces the one with its name.
    pub fn register_trigger(&self, trigger: Trigger) {
        let name = trigger.name.clone();
        self.lock().triggers.insert(name, Published { trigger: Arc::new(trigger), published: true });
    }

    /// Unpublishes a trigger or publishes it again. Returns whether there is one with that name. An unpublished trigger
    /// is unknown to callers.
    pub fn set_published(&self, trigger: &str, published: bool) -> bool {
        let mut state = self.lock();
        let found = state.triggers.get_mut(trigger);
        found.map(|found| found.published = published).is_some()
    }

    /// Adds or removes the application user of the environment.
    pub fn set_application_user(&self, is_user: bool) {
        self.lock().role.is_user = is_user;
    }

    /// Removes a privilege from the application user's role, or all privileges.
    pub fn revoke(&self, privilege: Option<&str>) {
        let is_revoked = |held: &str| privilege.is_none_or(|revoked| held.eq_ignore_ascii_case(revoked));
        self.lock().role.privileges.retain(|held| !is_revoked(held));
    }

    /// Every accepted call of a trigger so far, in order.
    pub fn started(&self) -> Vec<Arc<StartedJourney>> {
        self.started_after(0)
    }

    /// The accepted calls whose number is greater than `number`.
    pub fn started_after(&self, number: u64) -> Vec<Arc<StartedJourney>> {
        let seen = usize::try_from(number).unwrap_or(usize::MAX);
        self.lock().started.get(seen..).unwrap_or_default().to_vec()
    }

    fn seed(&self, table: Table, id: Uuid, changes: Changes) -> Uuid {
        let now = self.inner.clock.now();
        if let Err(error) = self.lock().rows.save(table, id, changes, Condition::Upsert, now) {
            tracing::error!(table = table.set(), ?error, "a row that refers to nothing was not added");
        }
        id
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
