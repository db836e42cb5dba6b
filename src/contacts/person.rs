//! The data of a customer or guest that selects or creates a contact.

use crate::text::{truncated, utf16_length, without_forbidden};

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

/// Column lengths of the contact table, in UTF-16 code units.
const MAX_NAME_LENGTH: usize = 50;
const MAX_EMAIL_LENGTH: usize = 100;
const MAX_PARTY_NUMBER_LENGTH: usize = 100;

impl Person {
    /// Whether a contact can be found or created.
    pub fn is_known(&self) -> bool {
        self.number.is_some() || self.email.is_some()
    }
}

/// A trimmed address. `None` if it is empty or too long for the column.
pub fn usable_email(text: &str) -> Option<String> {
    usable_identifier(text).filter(|email| utf16_length(email) <= MAX_EMAIL_LENGTH)
}

/// A name, cut to the length of the column. `None` if it is empty.
pub fn usable_name(text: &str) -> Option<String> {
    let name = usable_identifier(text)?;
    Some(truncated(&name, MAX_NAME_LENGTH).trim_end().to_owned())
}

/// A party number. `None` if it is empty or too long for the column: a part of it would be another party's.
pub fn usable_party_number(text: &str) -> Option<String> {
    usable_identifier(text).filter(|number| utf16_length(number) <= MAX_PARTY_NUMBER_LENGTH)
}

/// A trimmed account number or other identifier, without characters that Dataverse rejects. `None` if it is empty.
pub fn usable_identifier(text: &str) -> Option<String> {
    let text = without_forbidden(text);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
