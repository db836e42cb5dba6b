//! Decides what to do for one customer: the handler's rules, and a comparison. No network.

use std::borrow::Borrow;

use commerce_journeys::clients::dataverse::{ContactColumns, ContactRow, ContactState};
use commerce_journeys::contacts::{
    Person, Selection, belongs_to_other_customer, carries_number, contact_id, missing_columns, new_contact,
    select_contact,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A customer of gold.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    /// The key in gold.
    pub(super) id: String,
    /// Hash of the relevant columns.
    pub(super) content: String,
    pub(super) person: Person,
    /// The account number is that of one person: neither temporary nor that of a store's default customer.
    pub(super) is_person: bool,
    /// Another customer has the same e-mail address.
    pub(super) shares_email: bool,
    /// A customer of another company has the same account number.
    pub(super) shares_number: bool,
}

/// A contact: the columns of the rules, and those that are compared.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ContactRecord {
    #[serde(flatten)]
    pub(super) row: ContactRow,
    firstname: Option<String>,
    lastname: Option<String>,
    msdyn_partynumber: Option<String>,
    #[serde(rename = "_msdyn_customergroupid_value")]
    group: Option<Uuid>,
}

/// The columns that [`ContactRecord`] has beside those of [`ContactRow`].
pub(super) const COMPARED_COLUMNS: &str = "firstname,lastname,msdyn_partynumber,_msdyn_customergroupid_value";

impl Borrow<ContactRow> for ContactRecord {
    fn borrow(&self) -> &ContactRow {
        &self.row
    }
}

/// Ids of the customer's company and group in Dataverse, if they exist.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CompanyRefs {
    pub(super) company: Option<Uuid>,
    pub(super) group: Option<Uuid>,
}

/// What to do.
#[derive(Clone, Debug)]
pub(super) enum Decision {
    Create {
        contact: Uuid,
        columns: ContactColumns,
    },
    /// `links`: the contact gets the customer's number.
    Update {
        contact: Uuid,
        etag: String,
        columns: ContactColumns,
        links: bool,
    },
    Nothing {
        contact: Uuid,
    },
    /// The contact was merged into this one, which has to be read.
    Follow {
        master: Uuid,
    },
    Leave {
        reason: Reason,
        contact: Option<Uuid>,
    },
}

/// Why nothing was done for a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// The account number is temporary, or that of a store's default customer. Nothing has to be done.
    NoPerson,
    /// Several customers have the e-mail address of a contact without account number: it is not known whose contact it is.
    SharedEmail,
    /// Customers of several companies have the account number, and the company does not exist in Dataverse.
    SharedNumber,
    /// Several active contacts carry the account number.
    SeveralContacts,
    /// The customer's contact has another account number, or was created by another process just now.
    HiddenContact,
    /// Somebody has deactivated the customer's contact.
    ContactInactive,
    /// Another contact, possibly an inactive one, has a value that must be unique.
    ContactKeyTaken,
    /// Another process keeps changing the contact.
    KeepsChanging,
    /// The function app is creating or linking another contact for the customer.
    ChosenOtherwise,
    /// Dataverse refuses the values.
    Refused,
}

impl Reason {
    /// Whether nothing has to be done. The customer is processed again only if its data change.
    pub(super) fn is_settled(self) -> bool {
        self == Self::NoPerson
    }

    /// The name in the report and in the state table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoPerson => "noPerson",
            Self::SharedEmail => "sharedEmail",
            Self::SharedNumber => "sharedNumber",
            Self::SeveralContacts => "severalContacts",
            Self::HiddenContact => "hiddenContact",
            Self::ContactInactive => "contactInactive",
            Self::ContactKeyTaken => "contactKeyTaken",
            Self::KeepsChanging => "keepsChanging",
            Self::ChosenOtherwise => "chosenOtherwise",
            Self::Refused => "refused",
        }
    }

    /// What it means, and what an operator can do.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::NoPerson => {
                "the number is temporary, or that of a store's default customer (DefaultCustomers): nothing to do"
            }
            Self::SharedEmail => {
                "a contact without account number has the address of several customers: give it the right number, or deactivate it"
            }
            Self::SharedNumber => {
                "the number exists in several companies and Dataverse does not have this one: add the company (cdm_companies)"
            }
            Self::SeveralContacts => "several active contacts carry the number: merge them",
            Self::HiddenContact => "the contact carries another number: correct it",
            Self::ContactInactive => "somebody has deactivated the contact: activate it, or merge it into another one",
            Self::ContactKeyTaken => {
                "another contact, possibly an inactive one, has the number or the address, which must be unique: correct it"
            }
            Self::KeepsChanging => "another process keeps changing the contact: run again",
            Self::ChosenOtherwise => "the function app is creating or linking another contact: run again later",
            Self::Refused => "Dataverse refuses the values; the state table contains its error code",
        }
    }
}

/// Decides about a customer. `rows` are the contacts with its number or address, oldest first.
pub(super) fn decide(customer: &Customer, rows: Vec<ContactRecord>, refs: CompanyRefs) -> Decision {
    let person = &customer.person;
    let leave = |reason, contact| Decision::Leave { reason, contact };
    if !customer.is_person {
        return leave(Reason::NoPerson, None);
    }
    if customer.shares_number && refs.company.is_none() {
        return leave(Reason::SharedNumber, None);
    }
    let is_own = |found: &&ContactRecord| {
        found.row.state() == ContactState::Active
            && carries_number(&found.row)
            && !belongs_to_other_customer(&found.row, person, refs.company)
    };
    if rows.iter().filter(is_own).count() > 1 {
        return leave(Reason::SeveralContacts, rows.iter().find(is_own).map(|found| found.row.contactid));
    }
    match select_contact(rows, person, refs.company) {
        Selection::Active(found) => decide_found(customer, found, refs),
        Selection::Merged(found) => decide_merged(customer, found, refs),
        Selection::Inactive(found) => leave(Reason::ContactInactive, Some(found.row.contactid)),
        Selection::None => {
            Decision::Create { contact: contact_id(person), columns: new_contact(person, refs.company, refs.group) }
        }
    }
}

/// Decides about a customer whose contact was merged into `found`, or is `found`.
pub(super) fn decide_merged(customer: &Customer, found: ContactRecord, refs: CompanyRefs) -> Decision {
    let contact = found.row.contactid;
    match found.row.state() {
        ContactState::Merged(master) => Decision::Follow { master },
        ContactState::Inactive => Decision::Leave { reason: Reason::ContactInactive, contact: Some(contact) },
        // Somebody decided that it is the same person. Its columns are those of the other customer.
        ContactState::Active if belongs_to_other_customer(&found.row, &customer.person, refs.company) => {
            Decision::Nothing { contact }
        }
        ContactState::Active => decide_found(customer, found, refs),
    }
}

fn decide_found(customer: &Customer, found: ContactRecord, refs: CompanyRefs) -> Decision {
    let contact = found.row.contactid;
    let links = !carries_number(&found.row);
    if links && customer.shares_email {
        return Decision::Leave { reason: Reason::SharedEmail, contact: Some(contact) };
    }
    match difference(&found, &customer.person, refs) {
        Some(columns) => Decision::Update { contact, etag: found.row.etag, columns, links },
        None => Decision::Nothing { contact },
    }
}

/// The columns that differ from those of the customer. What is empty in gold is not changed.
fn difference(found: &ContactRecord, person: &Person, refs: CompanyRefs) -> Option<ContactColumns> {
    let other =
        |theirs: &Option<String>, ours: &Option<String>| ours.clone().filter(|ours| theirs.as_ref() != Some(ours));
    let same_address =
        |theirs: &Option<String>, ours: &String| theirs.as_ref().is_some_and(|it| it.eq_ignore_ascii_case(ours));
    // A company is added, never changed: a contact without a number may belong to another company.
    let company = if found.row.company.is_none() { refs.company } else { None };
    let group = refs.group.filter(|ours| found.group != Some(*ours));
    let wanted = new_contact(person, company, group);
    let columns = ContactColumns {
        firstname: other(&found.firstname, &wanted.firstname),
        lastname: other(&found.lastname, &wanted.lastname),
        emailaddress1: wanted.emailaddress1.filter(|ours| !same_address(&found.row.emailaddress1, ours)),
        msdyn_contactnumber: missing_columns(&found.row, person).and_then(|lacking| lacking.msdyn_contactnumber),
        msdyn_partynumber: other(&found.msdyn_partynumber, &wanted.msdyn_partynumber),
        // This is maintained in Dataverse.
        msdyn_sellable: None,
        company: wanted.company,
        customer_group: wanted.customer_group,
    };
    (!columns.names().is_empty()).then_some(columns)
}
