//! Selects a person's contact, finds its missing columns, and sets the columns of a new contact.

use std::borrow::Borrow;

use uuid::Uuid;

use super::{Person, is_temporary_number};
use crate::clients::dataverse::{ContactColumns, ContactRow};

/// Namespace of contact ids. A change would create a second contact for customers whose contact we created.
const CONTACTS: Uuid = Uuid::from_u128(0x8a1f_6c2e_0d57_4b39_9e64_c07b_15d2_a3f8);

/// Selects the person's contact from rows with the account number or an address, oldest first: by number, then by e-mail.
/// A contact with the number of another customer is never selected. `company` is Dataverse's id of the person's company,
/// because a number is unique per company only.
pub fn select_contact<R: Borrow<ContactRow>>(mut rows: Vec<R>, person: &Person, company: Option<Uuid>) -> Option<R> {
    rows.retain(|row| !belongs_to_other_customer(row.borrow(), person, company));
    rows.into_iter().min_by_key(|row| rank(row.borrow(), person))
}

/// The number comes first, then the customer's own addresses, then the address of the receipt.
fn rank(row: &ContactRow, person: &Person) -> usize {
    if person.number.is_some() && carries_number(row) {
        return 0;
    }
    let email = row.emailaddress1.as_deref().unwrap_or_default().to_lowercase();
    1 + person.emails.iter().position(|known| known.to_lowercase() == email).unwrap_or(person.emails.len())
}

/// Whether the contact has an account number. A temporary number is none.
pub fn carries_number(row: &ContactRow) -> bool {
    row.msdyn_contactnumber.as_deref().is_some_and(|number| !number.trim().is_empty() && !is_temporary_number(number))
}

/// Whether the contact has the account number of another customer.
pub fn belongs_to_other_customer(row: &ContactRow, person: &Person, company: Option<Uuid>) -> bool {
    let (Some(existing), Some(own)) = (&row.msdyn_contactnumber, &person.number) else { return false };
    let other_company = matches!((row.company, company), (Some(existing), Some(own)) if existing != own);
    carries_number(row) && (!existing.eq_ignore_ascii_case(own) || other_company)
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
