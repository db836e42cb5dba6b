//! Dataverse for many customers at once: at a measured pace, with patience, and in few requests.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use commerce_journeys::clients::Reply;
use commerce_journeys::clients::dataverse::{
    CONTACT_COLUMNS, ContactColumns, Dataverse, DataverseError, contact_filter, expect,
};
use commerce_journeys::clients::store::{Store, StoreError};
use commerce_journeys::clock::SharedClock;
use commerce_journeys::contacts::Person;
use commerce_journeys::events::RetryPolicy;
use commerce_journeys::json::read_json;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

use super::SyncError;
use super::decide::{COMPARED_COLUMNS, Customer, Found, Place};
use super::multipart::{self, Patch};
use super::pace::Pace;

/// Contacts, by the hundred.
pub(super) struct Service {
    pub(super) dataverse: Dataverse,
    /// Where the handler enters which contact a new customer gets.
    pub(super) store: Option<Store>,
    /// By company and customer group. Both are few.
    pub(super) places: tokio::sync::Mutex<HashMap<(String, Option<String>), Place>>,
    pub(super) pace: Pace,
    pub(super) patience: RetryPolicy,
    pub(super) clock: SharedClock,
}

/// A change to one contact.
pub(super) struct Write {
    pub(super) contact: Uuid,
    /// The version to be changed; `None` for a contact that must not exist yet.
    pub(super) etag: Option<String>,
    pub(super) columns: ContactColumns,
}

/// What became of a change.
#[derive(Debug)]
pub(super) enum Written {
    Done,
    /// The contact is in another state than was read; nothing was changed now.
    Otherwise,
    /// Dataverse does not take it.
    Refused(String),
}

/// Rows that one query may find at most; the handler looks at no more for one customer either.
const MOST_ROWS: &str = "50";

#[derive(Deserialize)]
struct Page {
    value: Vec<Found>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Why an attempt has failed.
enum Failure {
    /// It may succeed later.
    Passing(String, Option<Duration>),
    Lasting(SyncError),
}

impl From<DataverseError> for Failure {
    fn from(error: DataverseError) -> Self {
        match error {
            DataverseError::Unavailable { cause, retry_after } => Self::Passing(cause, retry_after),
            // Everything here may be done twice: reads, and writes under a condition that the first has ended.
            DataverseError::AnswerLost(cause) => Self::Passing(cause, None),
            DataverseError::Denied(_)
            | DataverseError::NotFound { .. }
            | DataverseError::Conflict(_)
            | DataverseError::Refused(_) => Self::Lasting(SyncError::Dataverse(error)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { cause, retry_after } => Self::Passing(cause, retry_after),
            StoreError::Conflict(cause) => Self::Passing(cause, None),
            StoreError::Denied(_) | StoreError::Refused(_) => Self::Lasting(SyncError::Store(error)),
        }
    }
}

/// Failures of one undertaking so far.
#[derive(Default)]
struct Trouble {
    failures: u32,
    since: Option<DateTime<Utc>>,
}

impl Service {
    /// Tries Dataverse until it succeeds, or will not succeed, or patience ends. A pause is everybody's.
    async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, SyncError> {
        let mut trouble = Trouble::default();
        loop {
            let permit = self.pace.enter().await;
            let result = attempt().await;
            drop(permit);
            match result {
                Ok(value) => return Ok(value),
                Err(failure) => self.pace.hold(self.pause(&mut trouble, failure)?),
            }
        }
    }

    /// How long to wait after a failure.
    fn pause(&self, trouble: &mut Trouble, failure: Failure) -> Result<Duration, SyncError> {
        let (cause, hint) = match failure {
            Failure::Passing(cause, hint) => (cause, hint),
            Failure::Lasting(error) => return Err(error),
        };
        let now = self.clock.now();
        if self.patience.is_over(*trouble.since.get_or_insert(now), now) {
            return Err(SyncError::Unavailable(cause));
        }
        trouble.failures += 1;
        let pause = self.patience.delay(trouble.failures, self.clock.chance(), hint);
        tracing::warn!(cause, pause_seconds = pause.as_secs(), "waiting, then trying again");
        Ok(pause)
    }

    /// What Dataverse calls a customer's company and group; asked for once a run.
    pub(super) async fn place(&self, person: &Person) -> Result<Place, SyncError> {
        let key = (person.company.clone(), person.customer_group.clone());
        // Held while asking, so that a hundred customers make one request.
        let mut places = self.places.lock().await;
        if let Some(place) = places.get(&key) {
            return Ok(*place);
        }
        let company = self.patiently(|| async { Ok(self.dataverse.company(&person.company).await?) }).await?;
        let group = match (company, &person.customer_group) {
            (Some(company), Some(group)) => {
                self.patiently(|| async { Ok(self.dataverse.customer_group(group, company).await?) }).await?
            }
            _ => None,
        };
        let place = Place { company, group };
        places.insert(key, place);
        Ok(place)
    }

    /// The rows for each customer that carry its number or its address, oldest first.
    pub(super) async fn look_up(&self, customers: &[Customer]) -> Result<Vec<Vec<Found>>, SyncError> {
        let all = customers.iter().map(|customer| keys(&customer.person));
        let Some(filter) = contact_filter(all) else { return Ok(vec![Vec::new(); customers.len()]) };
        let page = self.query(&filter, None).await?;
        if page.next.is_none()
            && let Some(rows) = attribute(customers, page.value)
        {
            return Ok(rows);
        }
        // An address that thousands have, or a row that the database finds equal and we do not: each on its own.
        let mut all = Vec::with_capacity(customers.len());
        for customer in customers {
            let filter = contact_filter([keys(&customer.person)]);
            let rows = match filter {
                Some(filter) => self.query(&filter, Some(MOST_ROWS)).await?.value,
                None => Vec::new(),
            };
            all.push(rows);
        }
        Ok(all)
    }

    async fn query(&self, filter: &str, top: Option<&str>) -> Result<Page, SyncError> {
        let columns = format!("{CONTACT_COLUMNS},{COMPARED_COLUMNS}");
        let mut query = vec![("$select", columns.as_str()), ("$filter", filter), ("$orderby", "createdon asc")];
        query.extend(top.map(|top| ("$top", top)));
        self.patiently(|| async {
            let reply = self.dataverse.send(Method::GET, "contacts", |request| request.query(&query)).await;
            let body = expect(reply.map_err(DataverseError::from)?, "contact table")?;
            Ok(read_json::<Page>(&body).map_err(DataverseError::from)?)
        })
        .await
    }

    /// Carries changes out, each by itself; one answer for each.
    pub(super) async fn write(&self, writes: &[Write]) -> Result<Vec<Written>, SyncError> {
        let mut written: Vec<Option<Written>> = writes.iter().map(|_| None).collect();
        for (chunk, results) in
            writes.chunks(multipart::MOST_REQUESTS).zip(written.chunks_mut(multipart::MOST_REQUESTS))
        {
            self.write_batch(chunk, results).await?;
        }
        Ok(written.into_iter().map(|written| written.unwrap_or(Written::Otherwise)).collect())
    }

    async fn write_batch(&self, writes: &[Write], results: &mut [Option<Written>]) -> Result<(), SyncError> {
        let results = Mutex::new(results);
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        self.patiently(|| async {
            let open: Vec<usize> = lock().iter().enumerate().filter(|(_, it)| it.is_none()).map(|(at, _)| at).collect();
            let batch: Vec<&Write> = open.iter().filter_map(|at| writes.get(*at)).collect();
            let replies = self.send_batch(&batch).await?;
            let mut passing = None;
            for (at, reply) in open.into_iter().zip(replies) {
                match outcome(reply) {
                    Ok(written) => {
                        if let Some(slot) = lock().get_mut(at) {
                            *slot = Some(written);
                        }
                    }
                    Err(Failure::Lasting(error)) => return Err(Failure::Lasting(error)),
                    Err(failure) => passing = Some(failure),
                }
            }
            passing.map_or(Ok(()), Err)
        })
        .await
    }

    async fn send_batch(&self, writes: &[&Write]) -> Result<Vec<Reply>, Failure> {
        let paths: Vec<String> = writes
            .iter()
            .map(|write| self.dataverse.url(&format!("contacts({})", write.contact)).path().to_owned())
            .collect();
        let bodies = writes.iter().map(|write| serde_json::to_string(&write.columns)).collect::<Result<Vec<_>, _>>();
        let bodies = bodies
            .map_err(|error| Failure::Lasting(SyncError::Dataverse(DataverseError::Refused(error.to_string()))))?;
        let patches: Vec<Patch<'_>> = writes
            .iter()
            .zip(&paths)
            .zip(&bodies)
            .map(|((write, path), body)| {
                let guard = write.etag.as_deref().map_or(("If-None-Match", "*"), |etag| ("If-Match", etag));
                Patch { path, guard, body }
            })
            .collect();
        let boundary = format!("batch_{}", Uuid::new_v4());
        let body = multipart::compose(&patches, &boundary);
        let kind = format!("multipart/mixed; boundary=\"{boundary}\"");
        let complete = |request: reqwest::RequestBuilder| {
            let request = request.header("content-type", &kind).header("if-none-match", "null");
            // Without it, the first refusal would be the last answer.
            request.header("prefer", "odata.continue-on-error").body(body.clone())
        };
        let reply = self.dataverse.send(Method::POST, "$batch", complete).await.map_err(DataverseError::from)?;
        let now = self.clock.now();
        let kind = reply.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let body = expect(reply, "batch")?;
        let replies = multipart::read(&kind, &body, now).filter(|replies| replies.len() == writes.len());
        replies.ok_or_else(|| DataverseError::AnswerLost("the batch's reply cannot be read".to_owned()).into())
    }

    /// Enters which contact a new customer gets, where the handler would look; `true` if that is the one it gets.
    pub(super) async fn choose(&self, person: &Person, contact: Uuid) -> Result<bool, SyncError> {
        let (Some(store), Some(number)) = (&self.store, &person.number) else { return Ok(true) };
        let mut trouble = Trouble::default();
        loop {
            match store.assign_contact(&person.company, number, contact).await {
                Ok(chosen) => return Ok(chosen == contact),
                Err(error) => self.clock.sleep(self.pause(&mut trouble, error.into())?).await,
            }
        }
    }
}

fn keys(person: &Person) -> (Option<&str>, &[String]) {
    (person.number.as_deref(), &person.emails)
}

/// Deals the rows of one query out to the customers; `None` if one is nobody's.
fn attribute(customers: &[Customer], rows: Vec<Found>) -> Option<Vec<Vec<Found>>> {
    let mut places: HashMap<(bool, String), Vec<usize>> = HashMap::new();
    for (at, Customer { person, .. }) in customers.iter().enumerate() {
        let number = person.number.iter().map(|number| (true, number.to_lowercase()));
        for key in number.chain(person.emails.iter().map(|email| (false, email.to_lowercase()))) {
            places.entry(key).or_default().push(at);
        }
    }
    let mut dealt = vec![Vec::new(); customers.len()];
    for found in rows {
        let number = found.row.msdyn_contactnumber.iter().map(|number| (true, number.trim_end().to_lowercase()));
        let email = found.row.emailaddress1.iter().map(|email| (false, email.trim_end().to_lowercase()));
        let mut whose: Vec<usize> = number.chain(email).filter_map(|key| places.get(&key)).flatten().copied().collect();
        whose.sort_unstable();
        whose.dedup();
        if whose.is_empty() {
            return None;
        }
        for at in whose {
            if let Some(rows) = dealt.get_mut(at) {
                rows.push(found.clone());
            }
        }
    }
    Some(dealt)
}

fn outcome(reply: Reply) -> Result<Written, Failure> {
    // Within a batch that was answered this is about the one row: a plug-in, mostly. It must not stop all others.
    let is_about_the_row = reply.status == StatusCode::INTERNAL_SERVER_ERROR;
    match expect(reply, "contact") {
        Err(DataverseError::Unavailable { cause, .. }) if is_about_the_row => Ok(Written::Refused(cause)),
        Ok(_) => Ok(Written::Done),
        Err(DataverseError::Conflict(_) | DataverseError::NotFound { .. }) => Ok(Written::Otherwise),
        Err(DataverseError::Refused(cause)) => Ok(Written::Refused(cause)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_within_a_batch_has_its_meaning() {
        let judged = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            outcome(Reply::new(status, Default::default(), body.into(), Utc::now()))
        };
        assert!(matches!(judged(204, ""), Ok(Written::Done)));
        assert!(matches!(judged(412, ""), Ok(Written::Otherwise)));
        assert!(matches!(judged(404, ""), Ok(Written::Otherwise)));
        let plug_in = r#"{"error":{"code":"0x80040265","message":"No."}}"#;
        assert!(matches!(judged(400, plug_in), Ok(Written::Refused(cause)) if cause == "400 0x80040265"));
        assert!(matches!(judged(500, plug_in), Ok(Written::Refused(cause)) if cause == "500 0x80040265"));
        assert!(matches!(judged(429, ""), Err(Failure::Passing(..))));
        assert!(matches!(judged(503, ""), Err(Failure::Passing(..))));
        assert!(matches!(judged(403, ""), Err(Failure::Lasting(_))));
    }
}
