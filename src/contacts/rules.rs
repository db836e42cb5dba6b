//! Selects a person's contact, finds its missing columns, and sets the columns of a new contact.

use std::borrow::Borrow;

use uuid::Uuid;

use super::{Person, is_temporary_number};
use crate::clients::dataverse::{ContactColumns, ContactRow, ContactState};

/// Namespace of contact ids. A change would create a second contact for customers whose contact we created.
const CONTACTS: Uuid = Uuid::from_u128(0x8a1f_6c2e_0d57_4b39_9e64_c07b_15d2_a3f8);

/// How many merges are followed from one contact to the next. Merged contacts can be merged again.
pub const MAX_MERGES: usize = 8;

/// The contact that the rules select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection<R> {
    /// An active contact.
    Active(R),
    /// A contact that was merged: the person's contact is the other one.
    Merged(R),
    /// The person's contact, which somebody has deactivated. Journeys must not start for it, and it must not be replaced.
    Inactive(R),
    /// The person has no contact.
    None,
}

/// Selects the person's contact from rows in the order active first, then oldest first. A row that only the database
/// considers equal, or that belongs to another customer, is never selected. `company` is Dataverse's id of the person's
/// company, because a number is unique per company only.
///
/// The account number comes before addresses, and a merged contact with the number stands for the contact that it was merged
/// into. A deactivated contact is selected only if no other is left: by its number, or, for guests, by its address.
pub fn select_contact<R: Borrow<ContactRow>>(rows: Vec<R>, person: &Person, company: Option<Uuid>) -> Selection<R> {
    let ranked = rows.into_iter().filter_map(|row| Some((preference(row.borrow(), person, company)?, row)));
    let Some((_, row)) = ranked.min_by_key(|(preference, _)| *preference) else { return Selection::None };
    match row.borrow().state() {
        ContactState::Active => Selection::Active(row),
        ContactState::Merged(_) => Selection::Merged(row),
        ContactState::Inactive => Selection::Inactive(row),
    }
}

/// The order in which rows are selected. `None` for a row that cannot be the person's.
fn preference(row: &ContactRow, person: &Person, company: Option<Uuid>) -> Option<(u8, usize)> {
    let rank = rank(row, person, company)?;
    let by_number = rank == 0;
    let state = match row.state() {
        ContactState::Active if by_number => 0,
        ContactState::Merged(_) if by_number => 1,
        ContactState::Active => 2,
        ContactState::Merged(_) => 3,
        ContactState::Inactive if by_number || person.number.is_none() => 4,
        ContactState::Inactive => return None,
    };
    Some((state, rank))
}

/// The number comes first, then the customer's own addresses, then the address of the receipt.
fn rank(row: &ContactRow, person: &Person, company: Option<Uuid>) -> Option<usize> {
    if belongs_to_other_customer(row, person, company) {
        return None;
    }
    if person.number.is_some() && carries_number(row) {
        return Some(0);
    }
    let email = row.emailaddress1.as_deref()?;
    person.emails.iter().position(|known| is_same(known, email)).map(|position| 1 + position)
}

/// Whether two values are equal, whatever their case and blanks at the end. The database also ignores accents.
fn is_same(one: &str, other: &str) -> bool {
    let folded = |text: &str| text.trim_end().to_lowercase();
    folded(one) == folded(other)
}

/// Whether the contact has an account number. A temporary number is none.
pub fn carries_number(row: &ContactRow) -> bool {
    row.msdyn_contactnumber.as_deref().is_some_and(|number| !number.trim().is_empty() && !is_temporary_number(number))
}

/// Whether the contact has the account number of another customer.
pub fn belongs_to_other_customer(row: &ContactRow, person: &Person, company: Option<Uuid>) -> bool {
    let (Some(existing), Some(own)) = (&row.msdyn_contactnumber, &person.number) else { return false };
    let other_company = matches!((row.company, company), (Some(existing), Some(own)) if existing != own);
    carries_number(row) && (!is_same(existing, own) || other_company)
}

/// The account number and the e-mail address that the contact does not have. `None` if it has both.
pub fn missing_columns(row: &ContactRow, person: &Person) -> Option<ContactColumns> {
    let has_address = row.emailaddress1.as_deref().is_some_and(|address| !address.trim().is_empty());
    let columns = ContactColumns {
        msdyn_contactnumber: if carries_number(row) { None } else { person.number.clone() },
        emailaddress1: if has_address { None } else { person.email.clone() },
        ..ContactColumns::default()
    };
    (columns.msdyn_contactnumber.is_some() || columns.emailaddress1.is_some()).then_some(columns)
}

/// The id of a new contact. All deliveries derive the same id.
pub fn contact_id(person: &Person) -> Uuid {
    let name = match (&person.number, &person.email) {
        (Some(number), _) => format!("number/{}/{}", person.company.to_lowercase(), number.to_lowercase()),
        (None, Some(email)) => format!("email/{}", email.to_lowercase()),
        (None, None) => "nobody".to_owned(),
    };
    Uuid::new_v5(&CONTACTS, name.as_bytes())
}

/// The columns of a new contact. `company` and `group` are the ids in Dataverse, if they exist.
pub fn new_contact(person: &Person, company: Option<Uuid>, group: Option<Uuid>) -> ContactColumns {
    ContactColumns {
        firstname: person.first_name.clone(),
        lastname: person.last_name.clone(),
        emailaddress1: person.email.clone(),
        msdyn_contactnumber: person.number.clone(),
        msdyn_partynumber: person.party_number.clone(),
        msdyn_sellable: Some(true),
        company: company.map(|id| format!("/cdm_companies({id})")),
        customer_group: group.map(|id| format!("/msdyn_customergroups({id})")),
    }
}
