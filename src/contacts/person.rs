//! A customer or guest, as far as the choice of a contact is concerned.

/// What is known of a customer, each part absent rather than empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The account number; guests have none.
    pub number: Option<String>,
    /// The address to write to.
    pub email: Option<String>,
    /// All addresses by which the customer may be known, the customer's own first.
    pub emails: Vec<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name; the whole name of who has but one.
    pub last_name: Option<String>,
    /// Number in the address book.
    pub party_number: Option<String>,
    /// Customer group.
    pub customer_group: Option<String>,
    /// The legal entity in which the account number counts.
    pub company: String,
}

/// Column lengths of the contact table.
const LONGEST_NAME: usize = 50;
const LONGEST_EMAIL: usize = 100;

impl Person {
    /// Whether there is anything to find or make a contact by.
    pub fn is_known(&self) -> bool {
        self.number.is_some() || self.email.is_some()
    }
}

/// An address as a contact can hold it; `None` if it cannot.
pub fn usable_email(text: &str) -> Option<String> {
    let email = text.trim();
    (!email.is_empty() && email.chars().count() <= LONGEST_EMAIL).then(|| email.to_owned())
}

/// A name as a contact can hold it.
pub fn shortened(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
