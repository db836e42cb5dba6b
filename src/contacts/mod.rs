//! The rules that match customers of Commerce with contacts of Dataverse. No network and no clock. The handler and
//! `prepare-data` use the same rules.

mod number;
mod person;
mod rules;

pub use number::{identifies_person, is_default_customer, is_temporary_number};
pub use person::{Person, usable_email, usable_identifier, usable_name, usable_party_number};
pub use rules::{
    MAX_MERGES, Selection, belongs_to_other_customer, carries_number, contact_id, missing_columns, new_contact,
    select_contact,
};
