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

/// The rows of a query response.
#[derive(Deserialize)]
pub(super) struct Rows<T> {
    pub(super) value: Vec<T>,
}

/// The rows of a query response.
pub fn read_contacts(reply: &[u8]) -> Result<Vec<ContactRow>, JsonError> {
    read_json::<Rows<ContactRow>>(reply).map(|rows| rows.value)
}

/// The columns of [`ContactRow`].
pub const CONTACT_COLUMNS: &str = "contactid,msdyn_contactnumber,emailaddress1,_msdyn_company_value";

/// The filter for active contacts with one of these account numbers or e-mail addresses. `None` if there are none.
pub fn contact_filter<'a>(people: impl IntoIterator<Item = (Option<&'a str>, &'a [String])>) -> Option<String> {
    let column = |name: &str, value: &str| format!("{name} eq '{}'", value.replace('\'', "''"));
    let either: Vec<String> = people
        .into_iter()
        .flat_map(|(number, emails)| {
            let by_number = number.map(|number| column("msdyn_contactnumber", number));
            by_number.into_iter().chain(emails.iter().map(|email| column("emailaddress1", email)))
        })
        .collect();
    (!either.is_empty()).then(|| format!("statecode eq 0 and ({})", either.join(" or ")))
}
