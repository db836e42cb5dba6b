//! Checks of contacts: the contact of each journey, and duplicate contacts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::dataverse::Contact;
use crate::shop::LedgerEntry;

/// The contacts by id.
pub(super) struct Contacts<'a>(HashMap<Uuid, &'a Contact>);

impl<'a> Contacts<'a> {
    pub(super) fn new(contacts: &'a [Contact]) -> Self {
        Self(contacts.iter().map(|contact| (contact.id, contact)).collect())
    }

    /// Why this contact is not the customer of `entry`.
    pub(super) fn mismatch(&self, contact: Option<Uuid>, entry: &LedgerEntry) -> Option<&'static str> {
        let Some(contact) = contact.and_then(|id| self.0.get(&id)) else {
            return Some("its contact does not exist");
        };
        let same_email = || {
            let (ours, theirs) = (contact.email.as_deref(), entry.email.as_deref());
            matches!((ours, theirs), (Some(ours), Some(theirs)) if ours.to_lowercase() == theirs.to_lowercase())
        };
        match &entry.account {
            Some(account) if contact.contact_number.as_ref() == Some(account) => None,
            Some(_) => Some("its contact does not have the customer's number"),
            None if same_email() => None,
            None => Some("its contact does not have the guest's e-mail address"),
        }
    }
}

/// Descriptions of duplicate contacts: by customer number, and by the e-mail address of guests if at least one contact
/// is new.
pub(super) fn duplicates(contacts: &[Contact], initial_contacts: &BTreeSet<Uuid>) -> Vec<String> {
    let mut by_number = BTreeMap::<_, Vec<&Contact>>::new();
    let mut by_email = BTreeMap::<_, Vec<&Contact>>::new();
    for contact in contacts {
        match (&contact.contact_number, &contact.email) {
            (Some(number), _) => by_number.entry(number.to_lowercase()).or_default().push(contact),
            (None, Some(email)) => by_email.entry(email.to_lowercase()).or_default().push(contact),
            (None, None) => {}
        }
    }
    let numbers = by_number.iter().filter(|(_, same)| same.len() > 1);
    let emails =
        by_email.iter().filter(|(_, same)| same.len() > 1 && same.iter().any(|it| !initial_contacts.contains(&it.id)));
    let describe = |kind: &str, value: &str, same: &[&Contact]| {
        let each: Vec<_> = same.iter().map(|contact| describe(contact, initial_contacts)).collect();
        format!("{kind} {value}: {}", each.join(", "))
    };
    let numbers = numbers.map(|(number, same)| describe("customer number", number, same));
    let emails = emails.map(|(email, same)| describe("e-mail without a number", email, same));
    numbers.chain(emails).collect()
}

fn describe(contact: &Contact, initial_contacts: &BTreeSet<Uuid>) -> String {
    let age = if initial_contacts.contains(&contact.id) { "existing" } else { "new" };
    format!("{} ({age}, {})", contact.id, contact.email.as_deref().unwrap_or("no e-mail"))
}
