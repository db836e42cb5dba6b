//! Dataverse for many customers: a limited rate, retries, and few requests.

mod batch;
mod retry;

use std::collections::{HashMap, HashSet};

use commerce_journeys::clients::dataverse::{
    CONTACT_COLUMNS, CONTACT_ORDER, Dataverse, DataverseError, MAX_PAGES, contact_filter, contact_filters, expect_json,
};
use commerce_journeys::clients::store::Store;
use commerce_journeys::clients::{CallError, Reply};
use commerce_journeys::clock::SharedClock;
use commerce_journeys::contacts::Person;
use commerce_journeys::events::RetryPolicy;
use commerce_journeys::json::read_json;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use uuid::Uuid;

pub(super) use batch::{Write, Written};

use self::retry::RetryState;
use super::decide::{COMPARED_COLUMNS, CompanyRefs, ContactRecord, Customer};
use super::error::SyncError;
use super::rate_limiter::RateLimiter;

/// Reads and writes contacts.
pub(super) struct Service {
    pub(super) dataverse: Dataverse,
    /// Where the function app reserves the contact ids of new customers.
    pub(super) store: Option<Store>,
    /// By company and customer group. Both are few.
    pub(super) company_refs: Mutex<HashMap<(String, Option<String>), CompanyRefs>>,
    pub(super) rate_limiter: RateLimiter,
    pub(super) retry_policy: RetryPolicy,
    pub(super) clock: SharedClock,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<ContactRecord>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

impl Service {
    /// Ids of a customer's company and group in Dataverse; read once in a run.
    pub(super) async fn refs(&self, person: &Person) -> Result<CompanyRefs, SyncError> {
        let key = (person.company.clone(), person.customer_group.clone());
        // Locked during the request, so that a hundred customers cause one request.
        let mut company_refs = self.company_refs.lock().await;
        if let Some(refs) = company_refs.get(&key) {
            return Ok(*refs);
        }
        let company = self.with_retry(|| async { Ok(self.dataverse.company(&person.company).await?) }).await?;
        let group = match (company, &person.customer_group) {
            (Some(company), Some(group)) => {
                self.with_retry(|| async { Ok(self.dataverse.customer_group(group, company).await?) }).await?
            }
            _ => None,
        };
        let refs = CompanyRefs { company, group };
        company_refs.insert(key, refs);
        Ok(refs)
    }

    /// The contacts with the number or an address of each customer, oldest first.
    pub(super) async fn look_up(&self, customers: &[Customer]) -> Result<Vec<Vec<ContactRecord>>, SyncError> {
        let all = customers.iter().map(|customer| keys(&customer.person));
        let Some(filter) = contact_filter(all) else { return Ok(vec![Vec::new(); customers.len()]) };
        let page = self.page(&filter, None).await?;
        if page.next.is_none()
            && let Some(rows) = assign(customers, page.value)
        {
            return Ok(rows);
        }
        // An address of thousands of contacts, or a row that only the database considers equal: each value by itself, so that
        // contacts that share an address never hide the contact with the number.
        let mut all = Vec::with_capacity(customers.len());
        for customer in customers {
            let (number, emails) = keys(&customer.person);
            let mut rows: Vec<ContactRecord> = Vec::new();
            for filter in contact_filters(number, emails) {
                rows.extend(self.search(&filter).await?);
            }
            let mut seen = HashSet::new();
            rows.retain(|found| seen.insert(found.row.contactid));
            all.push(rows);
        }
        Ok(all)
    }

    /// The contact with this id.
    pub(super) async fn contact(&self, id: Uuid) -> Result<Option<ContactRecord>, SyncError> {
        let columns = format!("{CONTACT_COLUMNS},{COMPARED_COLUMNS}");
        let query = [("$select", columns.as_str())];
        self.with_retry(|| async {
            let reply =
                self.dataverse.send(Method::GET, &format!("contacts({id})"), |request| request.query(&query)).await;
            match read_reply(reply, "contact") {
                Err(DataverseError::NotFound { .. }) => Ok(None),
                other => Ok(Some(other?)),
            }
        })
        .await
    }

    /// The contacts that match a filter, page by page.
    async fn search(&self, filter: &str) -> Result<Vec<ContactRecord>, SyncError> {
        let mut page = self.page(filter, None).await?;
        let mut rows = std::mem::take(&mut page.value);
        for _ in 1..MAX_PAGES {
            let Some(next) = page.next.take() else { break };
            page = self.page(filter, Some(&next)).await?;
            rows.append(&mut page.value);
        }
        Ok(rows)
    }

    /// The first page of a query, or the page that `next` links to.
    async fn page(&self, filter: &str, next: Option<&str>) -> Result<Page, SyncError> {
        let columns = format!("{CONTACT_COLUMNS},{COMPARED_COLUMNS}");
        let query = [("$select", columns.as_str()), ("$filter", filter), ("$orderby", CONTACT_ORDER)];
        self.with_retry(|| async {
            let reply = match next {
                None => self.dataverse.send(Method::GET, "contacts", |request| request.query(&query)).await,
                Some(next) => self.dataverse.send_to(Method::GET, self.dataverse.next_page(next)?, |it| it).await,
            };
            Ok(read_reply(reply, "contact table")?)
        })
        .await
    }

    /// Reserves the contact id of a new customer where the handler does; `false` if another id is reserved already.
    pub(super) async fn choose(&self, person: &Person, contact: Uuid) -> Result<bool, SyncError> {
        let (Some(store), Some(number)) = (&self.store, &person.number) else { return Ok(true) };
        let mut retries = RetryState::default();
        loop {
            match store.assign_contact(&person.company, number, contact).await {
                Ok(chosen) => return Ok(chosen == contact),
                Err(error) => self.clock.sleep(self.pause(&mut retries, error.into())?).await,
            }
        }
    }
}

fn read_reply<T: DeserializeOwned>(reply: Result<Reply, CallError>, what: &'static str) -> Result<T, DataverseError> {
    Ok(read_json(&expect_json(reply?, what)?)?)
}

fn keys(person: &Person) -> (Option<&str>, &[String]) {
    (person.number.as_deref(), &person.emails)
}

/// Assigns the rows of one query to the customers; `None` if a row belongs to none of them.
fn assign(customers: &[Customer], rows: Vec<ContactRecord>) -> Option<Vec<Vec<ContactRecord>>> {
    let mut by_key: HashMap<(bool, String), Vec<usize>> = HashMap::new();
    for (at, Customer { person, .. }) in customers.iter().enumerate() {
        let number = person.number.iter().map(|number| (true, number.to_lowercase()));
        for key in number.chain(person.emails.iter().map(|email| (false, email.to_lowercase()))) {
            by_key.entry(key).or_default().push(at);
        }
    }
    let mut assigned = vec![Vec::new(); customers.len()];
    for found in rows {
        let number = found.row.msdyn_contactnumber.iter().map(|number| (true, number.trim_end().to_lowercase()));
        let email = found.row.emailaddress1.iter().map(|email| (false, email.trim_end().to_lowercase()));
        let mut owners: Vec<usize> =
            number.chain(email).filter_map(|key| by_key.get(&key)).flatten().copied().collect();
        owners.sort_unstable();
        owners.dedup();
        if owners.is_empty() {
            return None;
        }
        for at in owners {
            if let Some(rows) = assigned.get_mut(at) {
                rows.push(found.clone());
            }
        }
    }
    Some(assigned)
}
