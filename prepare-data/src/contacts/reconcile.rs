//! One batch of customers: find, decide, write, and repeat for contacts that others changed in between.

use commerce_journeys::clients::dataverse::ContactColumns;
use commerce_journeys::contacts::MAX_MERGES;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::decide::{CompanyRefs, ContactRecord, Customer, Decision, Reason, decide, decide_merged};
use super::error::SyncError;
use super::service::{Service, Write, Written};

/// Customers in one query and in one batch of writes: two of the 500 conditions that a query may have for each.
const GROUP: usize = 50;

/// Characters of a query; an address has at most 32 KB.
const LONGEST_QUERY: usize = 28_000;

/// Concurrent reservations of contact ids.
const CHOICES: usize = 16;

/// Attempts for a customer whose contact others keep changing.
const MAX_ATTEMPTS: u32 = 3;

/// The result for a customer.
#[derive(Clone, Debug)]
pub(super) struct CustomerResult {
    pub(super) customer: String,
    pub(super) content: String,
    pub(super) contact: Option<Uuid>,
    pub(super) outcome: SyncOutcome,
}

/// What was done for a customer, or would be done.
#[derive(Clone, Debug)]
pub(super) enum SyncOutcome {
    Created,
    /// A contact without an account number got that of the customer.
    Linked(Vec<&'static str>),
    Updated(Vec<&'static str>),
    /// The contact was right.
    Equal,
    /// Nothing was done: the reason, and the error code of Dataverse if it refused.
    Left(Reason, Option<String>),
}

/// A customer without a result yet.
struct Pending {
    customer: Customer,
    /// The earlier attempt, whose reply may have been lost.
    tried: Option<(Uuid, SyncOutcome)>,
}

/// A planned write.
struct Planned {
    open: Pending,
    contact: Uuid,
    etag: Option<String>,
    columns: ContactColumns,
    outcome: SyncOutcome,
}

/// Synchronises the contacts of these customers. A dry run only plans.
pub(super) async fn reconcile(
    service: &Service,
    customers: Vec<Customer>,
    dry_run: bool,
) -> Result<Vec<CustomerResult>, SyncError> {
    let settled = stream::iter(groups(customers).into_iter().map(|group| settle(service, group, dry_run)));
    let results: Vec<Vec<CustomerResult>> = settled.buffered(service.rate_limiter.concurrency()).try_collect().await?;
    Ok(results.into_iter().flatten().collect())
}

/// Customers who fit into one query.
fn groups(customers: Vec<Customer>) -> Vec<Vec<Customer>> {
    let mut groups: Vec<Vec<Customer>> = Vec::new();
    let mut length = 0;
    for customer in customers {
        let its_length = query_length(&customer);
        length += its_length;
        match groups.last_mut().filter(|group| group.len() < GROUP && length <= LONGEST_QUERY) {
            Some(group) => group.push(customer),
            None => {
                groups.push(vec![customer]);
                length = its_length;
            }
        }
    }
    groups
}

/// The most that a customer adds to a query: column names, and three characters for each byte of a value.
fn query_length(customer: &Customer) -> usize {
    let values = customer.person.number.iter().chain(&customer.person.emails);
    values.map(|value| 40 + 3 * value.len()).sum()
}

async fn settle(service: &Service, group: Vec<Customer>, dry_run: bool) -> Result<Vec<CustomerResult>, SyncError> {
    let mut results = Vec::with_capacity(group.len());
    let mut open: Vec<Pending> = group.into_iter().map(|customer| Pending { customer, tried: None }).collect();
    for _ in 0..MAX_ATTEMPTS {
        if open.is_empty() {
            break;
        }
        let planned = plan(service, std::mem::take(&mut open), &mut results).await?;
        if dry_run {
            results.extend(planned.into_iter().map(|it| it.open.result(Some(it.contact), it.outcome)));
            break;
        }
        open = carry_out(service, planned, &mut results).await?;
    }
    results.extend(open.into_iter().map(Pending::unresolved));
    Ok(results)
}

/// Decides. Customers that need no write get their result.
async fn plan(
    service: &Service,
    open: Vec<Pending>,
    results: &mut Vec<CustomerResult>,
) -> Result<Vec<Planned>, SyncError> {
    let customers: Vec<Customer> = open.iter().map(|open| open.customer.clone()).collect();
    let found = service.look_up(&customers).await?;
    let mut planned = Vec::new();
    for (open, rows) in open.into_iter().zip(found) {
        let refs = service.refs(&open.customer.person).await?;
        match decide_and_follow(service, &open.customer, rows, refs).await? {
            Decision::Nothing { contact } => results.push(open.unchanged(contact)),
            // More merges than anybody makes.
            Decision::Follow { master } => {
                let outcome = SyncOutcome::Left(Reason::ContactInactive, None);
                results.push(open.result(Some(master), outcome));
            }
            Decision::Leave { reason, contact } => results.push(open.result(contact, SyncOutcome::Left(reason, None))),
            Decision::Create { contact, columns } => {
                planned.push(Planned { open, contact, etag: None, columns, outcome: SyncOutcome::Created });
            }
            Decision::Update { contact, etag, columns, links } => {
                let names = columns.names();
                let outcome = if links { SyncOutcome::Linked(names) } else { SyncOutcome::Updated(names) };
                planned.push(Planned { open, contact, etag: Some(etag), columns, outcome });
            }
        }
    }
    Ok(planned)
}

/// Decides, and follows merged contacts to the last one.
async fn decide_and_follow(
    service: &Service,
    customer: &Customer,
    rows: Vec<ContactRecord>,
    refs: CompanyRefs,
) -> Result<Decision, SyncError> {
    let mut decision = decide(customer, rows, refs);
    for _ in 0..MAX_MERGES {
        let Decision::Follow { master } = decision else { break };
        decision = match service.contact(master).await? {
            Some(found) => decide_merged(customer, found, refs),
            None => Decision::Leave { reason: Reason::ContactInactive, contact: Some(master) },
        };
    }
    Ok(decision)
}

/// Writes; returns the customers that need another attempt.
async fn carry_out(
    service: &Service,
    planned: Vec<Planned>,
    results: &mut Vec<CustomerResult>,
) -> Result<Vec<Pending>, SyncError> {
    let planned = reserved(service, planned, results).await?;
    let writes: Vec<Write> = planned
        .iter()
        .map(|it| Write { contact: it.contact, etag: it.etag.clone(), columns: it.columns.clone() })
        .collect();
    let written = service.write(&writes).await?;
    let mut again = Vec::new();
    for (it, written) in planned.into_iter().zip(written) {
        match written {
            Written::Done => results.push(it.open.result(Some(it.contact), it.outcome)),
            Written::Refused(code) => {
                results.push(it.open.result(Some(it.contact), SyncOutcome::Left(Reason::Refused, Some(code))));
            }
            Written::KeyTaken(code) => {
                results.push(it.open.result(Some(it.contact), SyncOutcome::Left(Reason::ContactKeyTaken, Some(code))));
            }
            Written::Conflict => again.push(Pending { tried: Some((it.contact, it.outcome)), ..it.open }),
        }
    }
    Ok(again)
}

/// Removes customers for whom the function app is creating or linking another contact.
async fn reserved(
    service: &Service,
    planned: Vec<Planned>,
    results: &mut Vec<CustomerResult>,
) -> Result<Vec<Planned>, SyncError> {
    let asked = stream::iter(planned.into_iter().map(|it| async move {
        let is_new = matches!(it.outcome, SyncOutcome::Created | SyncOutcome::Linked(_));
        let is_reserved = !is_new || service.choose(&it.open.customer.person, it.contact).await?;
        Ok::<_, SyncError>((it, is_reserved))
    }));
    let (kept, others): (Vec<_>, Vec<_>) =
        asked.buffered(CHOICES).try_collect::<Vec<_>>().await?.into_iter().partition(|(_, is_reserved)| *is_reserved);
    let left =
        |(it, _): (Planned, bool)| it.open.result(Some(it.contact), SyncOutcome::Left(Reason::ChosenOtherwise, None));
    results.extend(others.into_iter().map(left));
    Ok(kept.into_iter().map(|(it, _)| it).collect())
}

impl Pending {
    fn result(self, contact: Option<Uuid>, outcome: SyncOutcome) -> CustomerResult {
        CustomerResult { customer: self.customer.id, content: self.customer.content, contact, outcome }
    }

    /// The contact is right: it was so before, or an earlier write whose reply was lost made it so.
    fn unchanged(mut self, contact: Uuid) -> CustomerResult {
        let outcome =
            self.tried.take().filter(|(tried, _)| *tried == contact).map_or(SyncOutcome::Equal, |(_, outcome)| outcome);
        self.result(Some(contact), outcome)
    }

    fn unresolved(mut self) -> CustomerResult {
        let tried = self.tried.take();
        let reason = match &tried {
            // It exists, but no query returns it.
            Some((_, SyncOutcome::Created)) => Reason::HiddenContact,
            _ => Reason::KeepsChanging,
        };
        self.result(tried.map(|(contact, _)| contact), SyncOutcome::Left(reason, None))
    }
}

#[cfg(test)]
mod tests {
    use commerce_journeys::contacts::Person;

    use super::*;

    fn customers(count: usize, email: &str) -> Vec<Customer> {
        let person = Person { number: Some("1".to_owned()), emails: vec![email.to_owned()], ..Person::default() };
        let (id, content) = (String::new(), String::new());
        vec![Customer { id, content, person, is_person: true, shares_email: false, shares_number: false }; count]
    }

    #[test]
    fn a_query_has_neither_too_many_conditions_nor_too_long_an_address() {
        let sizes = |customers| groups(customers).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(customers(120, "ann@example.org")), [50, 50, 20]);
        // A hundred characters of four bytes each: 1,283 characters a customer.
        assert_eq!(sizes(customers(50, &"\u{1F600}".repeat(100))), [21, 21, 8]);
        assert!(sizes(Vec::new()).is_empty());
    }
}
