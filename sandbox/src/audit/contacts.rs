//! Checks of contacts: the contact of each journey, and duplicate contacts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::dataverse::{Contact, StartedJourney};
use crate::shop::LedgerEntry;

/// The contacts by id.
pub(super) struct Contacts<'a> {
    by_id: HashMap<Uuid, &'a Contact>,
    has_inactive: bool,
}

impl<'a> Contacts<'a> {
    pub(super) fn new(contacts: &'a [Contact]) -> Self {
        Self {
            by_id: contacts.iter().map(|contact| (contact.id, contact)).collect(),
            has_inactive: contacts.iter().any(|contact| contact.inactive),
        }
    }

    /// Why the contact of a started journey is not the customer of `entry`.
    pub(super) fn mismatch(&self, started: &StartedJourney, entry: &LedgerEntry) -> Option<&'static str> {
        let Some(contact) = started.contact.and_then(|id| self.by_id.get(&id)) else {
            return Some("its contact does not exist");
        };
        if !started.to_active_contact {
            return Some("its contact was inactive");
        }
        let is_customer = match &entry.account {
            Some(account) => self.stands_for(contact.id, |it| it.contact_number.as_ref() == Some(account)),
            None => self.stands_for(contact.id, |it| same_email(it, entry)),
        };
        match &entry.account {
            _ if is_customer => None,
            Some(_) => Some("its contact does not have the customer's number"),
            None => Some("its contact does not have the guest's e-mail address"),
        }
    }

    /// Whether the contact, or one that was merged into it, is the customer.
    fn stands_for(&self, id: Uuid, is_customer: impl Fn(&Contact) -> bool) -> bool {
        let is_itself = self.by_id.get(&id).is_some_and(|contact| is_customer(contact));
        is_itself || self.by_id.values().any(|contact| is_customer(contact) && self.last_master(contact) == id)
    }

    /// The contact into which this one was merged, directly or not, or itself.
    fn last_master(&self, contact: &Contact) -> Uuid {
        let mut contact = contact;
        for _ in 0..self.by_id.len() {
            match contact.master.and_then(|master| self.by_id.get(&master)) {
                Some(master) => contact = master,
                None => break,
            }
        }
        contact.id
    }

    /// Whether the customer's only contacts were deactivated by somebody. Then no journey may start.
    pub(super) fn is_deactivated(&self, entry: &LedgerEntry) -> bool {
        if !self.has_inactive {
            return false;
        }
        let is_theirs = |contact: &&&Contact| match &entry.account {
            Some(account) => match &contact.contact_number {
                Some(number) => number == account,
                None => same_email(contact, entry),
            },
            None => same_email(contact, entry),
        };
        let mut contacts = self.by_id.values().filter(is_theirs).peekable();
        contacts.peek().is_some() && contacts.all(|contact| contact.inactive && contact.master.is_none())
    }
}

fn same_email(contact: &Contact, entry: &LedgerEntry) -> bool {
    let (ours, theirs) = (contact.email.as_deref(), entry.email.as_deref());
    matches!((ours, theirs), (Some(ours), Some(theirs)) if ours.to_lowercase() == theirs.to_lowercase())
}

/// Descriptions of duplicate active contacts: by customer number, and by the e-mail address of guests if at least one contact
/// is new.
pub(super) fn duplicates(contacts: &[Contact], initial_contacts: &BTreeSet<Uuid>) -> Vec<String> {
    let mut by_number = BTreeMap::<_, Vec<&Contact>>::new();
    let mut by_email = BTreeMap::<_, Vec<&Contact>>::new();
    for contact in contacts.iter().filter(|contact| !contact.inactive) {
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
