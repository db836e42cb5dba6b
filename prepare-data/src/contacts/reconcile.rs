//! One batch of customers: look up, decide, write, and look again at what has changed in between.

use commerce_journeys::clients::dataverse::ContactColumns;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::SyncError;
use super::decide::{Customer, Decision, Reason, decide, names};
use super::service::{Service, Write, Written};

/// Customers in one query and in one batch of writes: two of the 500 conditions that a query may have for each.
const GROUP: usize = 50;

/// Characters of a query; an address has at most 32 KB.
const LONGEST_QUERY: usize = 28_000;

/// Choices that are entered at once.
const CHOICES: usize = 16;

/// Looks at a customer whose contact changes under our hands.
const ROUNDS: u32 = 3;

/// What became of a customer, or would.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) customer: String,
    pub(super) content: String,
    pub(super) contact: Option<Uuid>,
    pub(super) fate: Fate,
}

/// How a customer and its contact came together.
#[derive(Clone, Debug)]
pub(super) enum Fate {
    Created,
    /// A contact without account number got the customer's.
    Linked(Vec<&'static str>),
    Updated(Vec<&'static str>),
    /// The contact was as it should be.
    Equal,
    /// Why not, and Dataverse's error code if it refused.
    Left(Reason, Option<String>),
}

/// A customer under way.
struct Open {
    customer: Customer,
    /// What was tried in an earlier round, whose answer may have been lost.
    tried: Option<(Uuid, Fate)>,
}

/// A write, and for whom.
struct Planned {
    open: Open,
    contact: Uuid,
    etag: Option<String>,
    columns: ContactColumns,
    fate: Fate,
}

/// Brings the contacts of these customers about; with `dry` only finds out what it would take.
pub(super) async fn reconcile(
    service: &Service,
    customers: Vec<Customer>,
    dry: bool,
) -> Result<Vec<Outcome>, SyncError> {
    let settled = stream::iter(groups(customers).into_iter().map(|group| settle(service, group, dry)));
    let outcomes: Vec<Vec<Outcome>> = settled.buffered(service.pace.at_once()).try_collect().await?;
    Ok(outcomes.into_iter().flatten().collect())
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

/// What a customer adds to a query at the most: names of columns, and three characters for each byte of a value.
fn query_length(customer: &Customer) -> usize {
    let values = customer.person.number.iter().chain(&customer.person.emails);
    values.map(|value| 40 + 3 * value.len()).sum()
}

async fn settle(service: &Service, group: Vec<Customer>, dry: bool) -> Result<Vec<Outcome>, SyncError> {
    let mut outcomes = Vec::with_capacity(group.len());
    let mut open: Vec<Open> = group.into_iter().map(|customer| Open { customer, tried: None }).collect();
    for _ in 0..ROUNDS {
        if open.is_empty() {
            break;
        }
        let planned = plan(service, std::mem::take(&mut open), &mut outcomes).await?;
        if dry {
            outcomes.extend(planned.into_iter().map(|it| it.open.outcome(Some(it.contact), it.fate)));
            break;
        }
        open = carry_out(service, planned, &mut outcomes).await?;
    }
    outcomes.extend(open.into_iter().map(Open::given_up));
    Ok(outcomes)
}

/// Decides; what needs no write is settled.
async fn plan(service: &Service, open: Vec<Open>, outcomes: &mut Vec<Outcome>) -> Result<Vec<Planned>, SyncError> {
    let customers: Vec<Customer> = open.iter().map(|open| open.customer.clone()).collect();
    let found = service.look_up(&customers).await?;
    let mut planned = Vec::new();
    for (open, rows) in open.into_iter().zip(found) {
        let place = service.place(&open.customer.person).await?;
        match decide(&open.customer, rows, place) {
            Decision::Nothing { contact } => outcomes.push(open.settled(contact)),
            Decision::Leave { reason, contact } => outcomes.push(open.outcome(contact, Fate::Left(reason, None))),
            Decision::Create { contact, columns } => {
                planned.push(Planned { open, contact, etag: None, columns, fate: Fate::Created });
            }
            Decision::Update { contact, etag, columns, links } => {
                let names = names(&columns);
                let fate = if links { Fate::Linked(names) } else { Fate::Updated(names) };
                planned.push(Planned { open, contact, etag: Some(etag), columns, fate });
            }
        }
    }
    Ok(planned)
}

/// Writes; returns whoever has to be looked at again.
async fn carry_out(
    service: &Service,
    planned: Vec<Planned>,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<Open>, SyncError> {
    let planned = agreed(service, planned, outcomes).await?;
    let writes: Vec<Write> = planned
        .iter()
        .map(|it| Write { contact: it.contact, etag: it.etag.clone(), columns: it.columns.clone() })
        .collect();
    let written = service.write(&writes).await?;
    let mut again = Vec::new();
    for (it, written) in planned.into_iter().zip(written) {
        match written {
            Written::Done => outcomes.push(it.open.outcome(Some(it.contact), it.fate)),
            Written::Refused(code) => {
                outcomes.push(it.open.outcome(Some(it.contact), Fate::Left(Reason::Refused, Some(code))));
            }
            Written::Otherwise => again.push(Open { tried: Some((it.contact, it.fate)), ..it.open }),
        }
    }
    Ok(again)
}

/// Those to whom nobody is giving another contact at this moment.
async fn agreed(
    service: &Service,
    planned: Vec<Planned>,
    outcomes: &mut Vec<Outcome>,
) -> Result<Vec<Planned>, SyncError> {
    let asked = stream::iter(planned.into_iter().map(|it| async move {
        let is_new = matches!(it.fate, Fate::Created | Fate::Linked(_));
        let is_agreed = !is_new || service.choose(&it.open.customer.person, it.contact).await?;
        Ok::<_, SyncError>((it, is_agreed))
    }));
    let (kept, others): (Vec<_>, Vec<_>) =
        asked.buffered(CHOICES).try_collect::<Vec<_>>().await?.into_iter().partition(|(_, is_agreed)| *is_agreed);
    let left = |(it, _): (Planned, bool)| it.open.outcome(Some(it.contact), Fate::Left(Reason::ChosenOtherwise, None));
    outcomes.extend(others.into_iter().map(left));
    Ok(kept.into_iter().map(|(it, _)| it).collect())
}

impl Open {
    fn outcome(self, contact: Option<Uuid>, fate: Fate) -> Outcome {
        Outcome { customer: self.customer.id, content: self.customer.content, contact, fate }
    }

    /// The contact is right: because it was, or by a write of ours whose answer was lost.
    fn settled(mut self, contact: Uuid) -> Outcome {
        let fate = self.tried.take().filter(|(tried, _)| *tried == contact).map_or(Fate::Equal, |(_, fate)| fate);
        self.outcome(Some(contact), fate)
    }

    fn given_up(mut self) -> Outcome {
        let tried = self.tried.take();
        let reason = match &tried {
            // It exists, and yet no search shows it.
            Some((_, Fate::Created)) => Reason::HiddenContact,
            _ => Reason::KeepsChanging,
        };
        self.outcome(tried.map(|(contact, _)| contact), Fate::Left(reason, None))
    }
}

#[cfg(test)]
mod tests {
    use commerce_journeys::contacts::Person;

    use super::*;

    fn customers(count: usize, email: &str) -> Vec<Customer> {
        let person = Person { number: Some("1".to_owned()), emails: vec![email.to_owned()], ..Person::default() };
        let (id, content) = (String::new(), String::new());
        vec![Customer { id, content, person, shares_email: false, shares_number: false }; count]
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
