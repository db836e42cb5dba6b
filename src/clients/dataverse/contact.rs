//! The columns of the contact table.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::json::{JsonError, read_json};

/// The columns of a contact that the handler reads.
#[derive(Clone, Debug, Deserialize)]
pub struct ContactRow {
    /// The row's version.
    #[serde(rename = "@odata.etag")]
    pub etag: String,
    /// The row's id.
    pub contactid: Uuid,
    /// The customer's account number in Commerce.
    pub msdyn_contactnumber: Option<String>,
    /// The e-mail address.
    pub emailaddress1: Option<String>,
    /// The company (legal entity), if Dual-write has set one.
    #[serde(rename = "_msdyn_company_value")]
    pub company: Option<Uuid>,
    /// 0 is active, 1 is inactive.
    pub statecode: Option<i32>,
    /// The contact that this one was merged into.
    #[serde(rename = "_masterid_value")]
    pub master: Option<Uuid>,
}

/// Whether journeys can start for a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactState {
    /// It is in use.
    Active,
    /// It was merged into this contact, which is the same person.
    Merged(Uuid),
    /// Somebody has deactivated it.
    Inactive,
}

impl ContactRow {
    /// Whether journeys can start for it.
    pub fn state(&self) -> ContactState {
        match (self.statecode, self.master) {
            (None | Some(0), _) => ContactState::Active,
            (Some(_), Some(master)) => ContactState::Merged(master),
            (Some(_), None) => ContactState::Inactive,
        }
    }
}

/// Columns to set on a contact. Absent columns are not changed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ContactColumns {
    /// First name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firstname: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lastname: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub emailaddress1: Option<String>,
    /// Account number in Commerce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_contactnumber: Option<String>,
    /// Party number in Commerce.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_partynumber: Option<String>,
    /// Whether the contact is a customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub msdyn_sellable: Option<bool>,
    /// `/cdm_companies(<id>)`.
    #[serde(rename = "msdyn_company@odata.bind", skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// `/msdyn_customergroups(<id>)`.
    #[serde(rename = "msdyn_customergroupid@odata.bind", skip_serializing_if = "Option::is_none")]
    pub customer_group: Option<String>,
}

impl ContactColumns {
    /// The names of the columns that are set.
    pub fn names(&self) -> Vec<&'static str> {
        let set = [
            ("firstname", self.firstname.is_some()),
            ("lastname", self.lastname.is_some()),
            ("emailaddress1", self.emailaddress1.is_some()),
            ("msdyn_contactnumber", self.msdyn_contactnumber.is_some()),
            ("msdyn_partynumber", self.msdyn_partynumber.is_some()),
            ("msdyn_sellable", self.msdyn_sellable.is_some()),
            ("msdyn_company", self.company.is_some()),
            ("msdyn_customergroupid", self.customer_group.is_some()),
        ];
        set.into_iter().filter_map(|(name, is_set)| is_set.then_some(name)).collect()
    }

    /// The columns without party number and customer group, and the names of those that were set.
    pub fn essential(&self) -> (Self, Vec<&'static str>) {
        let essential = Self { msdyn_partynumber: None, customer_group: None, ..self.clone() };
        let kept = essential.names();
        let omitted = self.names().into_iter().filter(|name| !kept.contains(name)).collect();
        (essential, omitted)
    }

    /// The account number and the e-mail address, each by itself.
    pub fn parts(&self) -> Vec<Self> {
        let number = self.msdyn_contactnumber.clone();
        let number = number.map(|it| Self { msdyn_contactnumber: Some(it), ..Self::default() });
        let email = self.emailaddress1.clone().map(|it| Self { emailaddress1: Some(it), ..Self::default() });
        number.into_iter().chain(email).collect()
    }
}

/// The rows of a query response.
#[derive(Deserialize)]
pub(super) struct Rows<T> {
    pub(super) value: Vec<T>,
    /// The address of the next page.
    #[serde(rename = "@odata.nextLink")]
    pub(super) next: Option<String>,
}

/// The rows of a query response.
pub fn read_contacts(reply: &[u8]) -> Result<Vec<ContactRow>, JsonError> {
    read_json::<Rows<ContactRow>>(reply).map(|rows| rows.value)
}

/// The columns of [`ContactRow`].
pub const CONTACT_COLUMNS: &str =
    "contactid,msdyn_contactnumber,emailaddress1,_msdyn_company_value,statecode,_masterid_value";

/// The order of contacts: active ones first, then the oldest first.
pub const CONTACT_ORDER: &str = "statecode asc,createdon asc";

/// The filter for contacts with one of these account numbers or e-mail addresses. `None` if there are none.
pub fn contact_filter<'a>(people: impl IntoIterator<Item = (Option<&'a str>, &'a [String])>) -> Option<String> {
    let conditions: Vec<String> =
        people.into_iter().flat_map(|(number, emails)| contact_filters(number, emails)).collect();
    (!conditions.is_empty()).then(|| conditions.join(" or "))
}

/// A filter for each value of a person: the account number first, then the e-mail addresses in their order.
pub fn contact_filters(number: Option<&str>, emails: &[String]) -> Vec<String> {
    let equals = |column: &str, value: &str| format!("{column} eq '{}'", value.replace('\'', "''"));
    let by_number = number.map(|number| equals("msdyn_contactnumber", number));
    by_number.into_iter().chain(emails.iter().map(|email| equals("emailaddress1", email))).collect()
}
