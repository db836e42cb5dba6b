//! The data of a customer or guest that selects or creates a contact.

/// A customer or guest. Unknown fields are absent, never empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The account number. Guests have none.
    pub number: Option<String>,
    /// The e-mail address for the contact.
    pub email: Option<String>,
    /// All known e-mail addresses. The customer's own addresses come first.
    pub emails: Vec<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name, or the whole name if there is only one.
    pub last_name: Option<String>,
    /// Party number in the global address book.
    pub party_number: Option<String>,
    /// Customer group.
    pub customer_group: Option<String>,
    /// The legal entity of the account number.
    pub company: String,
}

/// Column lengths of the contact table.
const MAX_NAME_LENGTH: usize = 50;
const MAX_EMAIL_LENGTH: usize = 100;

impl Person {
    /// Whether a contact can be found or created.
    pub fn is_known(&self) -> bool {
        self.number.is_some() || self.email.is_some()
    }
}

/// A trimmed address. `None` if it is empty or too long for the column.
pub fn usable_email(text: &str) -> Option<String> {
    let email = text.trim();
    (!email.is_empty() && email.chars().count() <= MAX_EMAIL_LENGTH).then(|| email.to_owned())
}

/// A name, cut to the length of the column.
pub fn truncated_name(name: &str) -> String {
    name.chars().take(MAX_NAME_LENGTH).collect()
}
