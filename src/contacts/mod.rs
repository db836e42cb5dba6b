//! Whose contact it is: the rules by which customers of Commerce and contacts of Dataverse belong together. No network,
//! no clock; whoever reads or writes contacts asks here.

mod person;
mod rules;

pub use person::{Person, shortened, usable_email};
pub use rules::{carries_number, choose, contact_id, is_another_customers, new_contact, what_it_lacks};
