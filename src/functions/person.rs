//! Reads the customer or guest from a message.

use std::collections::HashSet;

use crate::contacts::{Person, truncated_name, usable_email};
use crate::events::CommerceEvent;
use crate::journeys::View;

/// The customer or guest of a message.
pub(super) fn person_of(view: &View<'_>, event: &CommerceEvent) -> Person {
    let first = |fields: &[(&str, &str)]| fields.iter().find_map(|(part, field)| view.text(part, field));
    let customer = |field| view.text("CustomerDetails", field);
    let number = first(&[
        ("CustomerDetails", "AccountNumber"),
        ("EventDetails", "EventCustomerId"),
        ("OrderDetails", "CustomerId"),
    ]);
    let address = |part, field| view.text(part, field).and_then(|email: String| usable_email(&email));
    let for_receipt = address("OrderDetails", "ReceiptEmail");
    let own = [address("CustomerDetails", "ReceiptEmail"), address("CustomerDetails", "Email")];
    let email = for_receipt.clone().or_else(|| own.iter().flatten().next().cloned());
    let mut emails: Vec<String> = own.into_iter().rev().chain([for_receipt]).flatten().collect();
    let mut seen = HashSet::new();
    emails.retain(|email| seen.insert(email.to_lowercase()));
    // A customer without a first name is a company, or was entered with one name only.
    let whole_name =
        || customer("Name").or_else(|| first(&[("OrderDetails", "CustomerName"), ("OrderDetails", "Name")]));
    let last_name = customer("LastName").or_else(whole_name);
    Person {
        number,
        email,
        emails,
        first_name: customer("FirstName").map(|name| truncated_name(&name)),
        last_name: last_name.map(|name| truncated_name(&name)),
        party_number: customer("PartyNumber"),
        customer_group: customer("CustomerGroup"),
        company: event.data_area_id.clone(),
    }
}
