//! Which contact is a person's, what it lacks, and what a new one is made of.

use std::borrow::Borrow;

use uuid::Uuid;

use super::Person;
use crate::clients::dataverse::{ContactColumns, ContactRow};

/// Namespace of contact ids. Changing it would make a second contact of every customer who has none but ours.
const CONTACTS: Uuid = Uuid::from_u128(0x8a1f_6c2e_0d57_4b39_9e64_c07b_15d2_a3f8);

/// The person's contact among rows that carry the account number or an address, oldest first: by number, then by
/// e-mail. One found by e-mail that carries the number of another customer is not this person's. `company` is
/// Dataverse's id of the person's company, if it has one: numbers are per company.
pub fn choose<R: Borrow<ContactRow>>(mut rows: Vec<R>, person: &Person, company: Option<Uuid>) -> Option<R> {
    rows.retain(|row| !is_another_customers(row.borrow(), person, company));
    rows.into_iter().min_by_key(|row| rank(row.borrow(), person))
}

/// Number before addresses, and the customer's own addresses before that of the receipt.
fn rank(row: &ContactRow, person: &Person) -> usize {
    if person.number.is_some() && carries_number(row) {
        return 0;
    }
    let email = row.emailaddress1.as_deref().unwrap_or_default().to_lowercase();
    1 + person.emails.iter().position(|known| known.to_lowercase() == email).unwrap_or(person.emails.len())
}

/// Whether the contact is some customer's.
pub fn carries_number(row: &ContactRow) -> bool {
    row.msdyn_contactnumber.as_deref().is_some_and(|number| !number.is_empty())
}

/// Whether the contact carries the number of another customer.
pub fn is_another_customers(row: &ContactRow, person: &Person, company: Option<Uuid>) -> bool {
    let (Some(theirs), Some(ours)) = (&row.msdyn_contactnumber, &person.number) else { return false };
    let other_company = matches!((row.company, company), (Some(theirs), Some(ours)) if theirs != ours);
    carries_number(row) && (!theirs.eq_ignore_ascii_case(ours) || other_company)
}

/// The account number and the e-mail address, where a found contact has none; `None` if it lacks neither.
pub fn what_it_lacks(row: &ContactRow, person: &Person) -> Option<ContactColumns> {
    let missing = |theirs: &Option<String>, ours: &Option<String>| {
        let lacks = theirs.as_deref().unwrap_or_default().is_empty();
        if lacks { ours.clone() } else { None }
    };
    let columns = ContactColumns {
        msdyn_contactnumber: missing(&row.msdyn_contactnumber, &person.number),
        emailaddress1: missing(&row.emailaddress1, &person.email),
        ..ContactColumns::default()
    };
    (columns.msdyn_contactnumber.is_some() || columns.emailaddress1.is_some()).then_some(columns)
}

/// The id of a new contact, on which all who would create it agree.
pub fn contact_id(person: &Person) -> Uuid {
    let name = match (&person.number, &person.email) {
        (Some(number), _) => format!("number/{}/{}", person.company.to_lowercase(), number.to_lowercase()),
        (None, Some(email)) => format!("email/{}", email.to_lowercase()),
        (None, None) => "nobody".to_owned(),
    };
    Uuid::new_v5(&CONTACTS, name.as_bytes())
}

/// The columns of a new contact, with Dataverse's ids of company and customer group where it has them.
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
