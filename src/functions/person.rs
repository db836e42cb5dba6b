//! Who an event is about, as far as its message tells.

use crate::events::CommerceEvent;
use crate::journeys::View;

/// What is known of a customer, each part absent rather than empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// The account number; guests have none.
    pub(super) number: Option<String>,
    /// The address to write to.
    pub(super) email: Option<String>,
    /// All addresses by which the customer may be known, the customer's own first.
    pub(super) emails: Vec<String>,
    pub(super) first_name: Option<String>,
    pub(super) last_name: Option<String>,
    pub(super) party_number: Option<String>,
    pub(super) customer_group: Option<String>,
    /// The legal entity in which the account number counts.
    pub(super) company: String,
}

/// Column lengths of the contact table.
const LONGEST_NAME: usize = 50;
const LONGEST_EMAIL: usize = 100;

impl Person {
    /// Reads the person out of a message.
    pub(super) fn of(view: &View<'_>, event: &CommerceEvent) -> Self {
        let first = |places: &[(&str, &str)]| places.iter().find_map(|(part, field)| view.text(part, field));
        let customer = |field| view.text("CustomerDetails", field);
        let number = first(&[
            ("CustomerDetails", "AccountNumber"),
            ("EventDetails", "EventCustomerId"),
            ("OrderDetails", "CustomerId"),
        ]);
        let valid = |email: &String| !email.is_empty() && email.chars().count() <= LONGEST_EMAIL;
        let address = |part, field| view.text(part, field).map(|email: String| email.trim().to_owned()).filter(valid);
        let for_receipt = address("OrderDetails", "ReceiptEmail");
        let own = [address("CustomerDetails", "ReceiptEmail"), address("CustomerDetails", "Email")];
        let email = for_receipt.clone().or_else(|| own.iter().flatten().next().cloned());
        let mut emails: Vec<String> = own.into_iter().rev().chain([for_receipt]).flatten().collect();
        let mut seen = std::collections::HashSet::new();
        emails.retain(|email| seen.insert(email.to_lowercase()));
        // A customer without first name is a company or was entered with one name only.
        let whole_name =
            || customer("Name").or_else(|| first(&[("OrderDetails", "CustomerName"), ("OrderDetails", "Name")]));
        let last_name = customer("LastName").or_else(whole_name);
        Self {
            number,
            email,
            emails,
            first_name: customer("FirstName").map(|name| shortened(&name)),
            last_name: last_name.map(|name| shortened(&name)),
            party_number: customer("PartyNumber"),
            customer_group: customer("CustomerGroup"),
            company: event.data_area_id.clone(),
        }
    }

    /// Whether there is anything to find or make a contact by.
    pub(super) fn is_known(&self) -> bool {
        self.number.is_some() || self.email.is_some()
    }
}

fn shortened(name: &str) -> String {
    name.chars().take(LONGEST_NAME).collect()
}
