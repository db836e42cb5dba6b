//! One batch of customers: look up, decide, write, and look again at what has changed in between.

use commerce_journeys::clients::dataverse::ContactColumns;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use super::SyncError;
use super::decide::{Customer, Decision, Reason, decide, names};
use super::service::{Service, Write, Written};

/// Customers in one query and in one batch of writes: two conditions each, of the 500 that a query may have, in an
/// address of at most 32 KB.
const GROUP: usize = 50;

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
    let groups: Vec<Vec<Customer>> = customers.chunks(GROUP).map(<[Customer]>::to_vec).collect();
    let settled = stream::iter(groups.into_iter().map(|group| settle(service, group, dry)));
    let outcomes: Vec<Vec<Outcome>> = settled.buffered(service.pace.at_once()).try_collect().await?;
    Ok(outcomes.into_iter().flatten().collect())
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
