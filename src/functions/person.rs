//! Reads the customer or guest from a message.

use std::collections::HashSet;

use crate::contacts::{
    Person, identifies_person, is_default_customer, usable_email, usable_identifier, usable_name, usable_party_number,
};
use crate::events::{CommerceEvent, Message};
use crate::journeys::View;

/// The values of a message, and its customer or guest. A sale to a default customer of a store is a guest's: nothing of that
/// customer is used, because it belongs to nobody.
pub(super) fn view_and_person<'a>(message: &'a Message, default_customers: &[String]) -> (View<'a>, Person) {
    let mut view = View::new(message);
    let account = view.text("CustomerDetails", "AccountNumber");
    if account.is_some_and(|number| is_default_customer(&number, default_customers)) {
        view.hide_customer();
    }
    let person = person_of(&view, &message.event, default_customers);
    (view, person)
}

fn person_of(view: &View<'_>, event: &CommerceEvent, default_customers: &[String]) -> Person {
    let first = |fields: &[(&str, &str)]| fields.iter().find_map(|(part, field)| view.text(part, field));
    let customer = |field| view.text("CustomerDetails", field);
    let address = |part, field| view.text(part, field).and_then(|email: String| usable_email(&email));
    let for_receipt = address("OrderDetails", "ReceiptEmail");
    let own = [address("CustomerDetails", "ReceiptEmail"), address("CustomerDetails", "Email")];
    let email = for_receipt.clone().or_else(|| own.iter().flatten().next().cloned());
    let mut emails: Vec<String> = own.into_iter().rev().chain([for_receipt]).flatten().collect();
    let mut seen = HashSet::new();
    emails.retain(|email| seen.insert(email.to_lowercase()));
    // A customer without a first name is a company, or was entered with one name only.
    let whole_name = || match is_sold_to_default_customer(view, default_customers) {
        true => None,
        false => customer("Name").or_else(|| first(&[("OrderDetails", "CustomerName"), ("OrderDetails", "Name")])),
    };
    let whole_name = customer("LastName").is_none().then(whole_name).flatten();
    // The whole name already contains the first name.
    let first_name = customer("FirstName").filter(|_| whole_name.is_none());
    let last_name = customer("LastName").or(whole_name);
    Person {
        number: number(view, default_customers).and_then(|number| usable_identifier(&number)),
        email,
        emails,
        first_name: first_name.and_then(|name| usable_name(&name)),
        last_name: last_name.and_then(|name| usable_name(&name)),
        party_number: customer("PartyNumber").and_then(|number| usable_party_number(&number)),
        customer_group: customer("CustomerGroup"),
        company: event.data_area_id.clone(),
    }
}

/// The first account number that identifies a person. The number of a customer whom headquarters has not created yet is
/// temporary, whatever its form.
fn number(view: &View<'_>, default_customers: &[String]) -> Option<String> {
    let of_customer = view.text("CustomerDetails", "AccountNumber");
    let is_pending =
        view.text("CustomerDetails", "IsAsyncCustomer").is_some_and(|yes| yes.eq_ignore_ascii_case("true"));
    let temporary = if is_pending { of_customer.clone() } else { None };
    let numbers = [of_customer, view.text("EventDetails", "EventCustomerId"), view.text("OrderDetails", "CustomerId")];
    let is_usable =
        |number: &String| Some(number) != temporary.as_ref() && identifies_person(number, default_customers);
    numbers.into_iter().flatten().find(is_usable)
}

/// Whether the names in the order are those of a default customer.
fn is_sold_to_default_customer(view: &View<'_>, default_customers: &[String]) -> bool {
    let numbers = [("EventDetails", "EventCustomerId"), ("OrderDetails", "CustomerId")];
    let mut numbers = numbers.into_iter().filter_map(|(part, field)| view.text(part, field));
    numbers.any(|number| is_default_customer(&number, default_customers))
}
