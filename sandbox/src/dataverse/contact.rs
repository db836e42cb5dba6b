//! A contact, as audits and tests see it.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::rows::{Changes, Row, Value};

/// A contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// `contactid`. A nil id creates a new one when adding.
    pub id: Uuid,
    /// `firstname`.
    pub first_name: Option<String>,
    /// `lastname`.
    pub last_name: Option<String>,
    /// `fullname`, computed.
    pub full_name: Option<String>,
    /// `emailaddress1`.
    pub email: Option<String>,
    /// `mobilephone`.
    pub mobile_phone: Option<String>,
    /// `telephone1`.
    pub telephone: Option<String>,
    /// `msdyn_contactnumber`: the customer's account number in Commerce.
    pub contact_number: Option<String>,
    /// `msdyn_partynumber`.
    pub party_number: Option<String>,
    /// `msdyn_sellable`.
    pub sellable: Option<bool>,
    /// `_msdyn_company_value`.
    pub company: Option<Uuid>,
    /// `_msdyn_customergroupid_value`.
    pub customer_group: Option<Uuid>,
    /// `statecode` is not 0.
    pub inactive: bool,
    /// `_masterid_value`: the contact that this one was merged into. Then it is inactive, too.
    pub master: Option<Uuid>,
    /// `createdon`, computed.
    pub created_on: DateTime<Utc>,
    /// `modifiedon`, computed.
    pub modified_on: DateTime<Utc>,
    /// The row version, computed.
    pub version: u64,
}

impl Contact {
    pub(super) fn from_row(row: &Row) -> Self {
        Self {
            id: row.id,
            first_name: text(row, "firstname"),
            last_name: text(row, "lastname"),
            full_name: text(row, "fullname"),
            email: text(row, "emailaddress1"),
            mobile_phone: text(row, "mobilephone"),
            telephone: text(row, "telephone1"),
            contact_number: text(row, "msdyn_contactnumber"),
            party_number: text(row, "msdyn_partynumber"),
            sellable: match row.get("msdyn_sellable") {
                Some(Value::Bool(sellable)) => Some(*sellable),
                _ => None,
            },
            company: id(row, "_msdyn_company_value"),
            customer_group: id(row, "_msdyn_customergroupid_value"),
            inactive: row.get("statecode") != Some(&Value::Int(0)),
            master: id(row, "_masterid_value"),
            created_on: time(row, "createdon"),
            modified_on: time(row, "modifiedon"),
            version: row.version,
        }
    }

    /// The columns that a caller can write.
    pub(super) fn changes(&self) -> Changes {
        let state = i64::from(self.inactive || self.master.is_some());
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty()).map(Value::Text);
        Changes::from([
            ("firstname", text(&self.first_name)),
            ("lastname", text(&self.last_name)),
            ("emailaddress1", text(&self.email)),
            ("mobilephone", text(&self.mobile_phone)),
            ("telephone1", text(&self.telephone)),
            ("msdyn_contactnumber", text(&self.contact_number)),
            ("msdyn_partynumber", text(&self.party_number)),
            ("msdyn_sellable", self.sellable.map(Value::Bool)),
            ("_msdyn_company_value", self.company.map(Value::Id)),
            ("_msdyn_customergroupid_value", self.customer_group.map(Value::Id)),
            ("statecode", Some(Value::Int(state))),
            ("statuscode", Some(Value::Int(state + 1))),
            ("merged", Some(Value::Bool(self.master.is_some()))),
            ("_masterid_value", self.master.map(Value::Id)),
        ])
    }
}

fn text(row: &Row, column: &str) -> Option<String> {
    match row.get(column) {
        Some(Value::Text(text)) => Some(text.clone()),
        _ => None,
    }
}

fn id(row: &Row, column: &str) -> Option<Uuid> {
    match row.get(column) {
        Some(Value::Id(id)) => Some(*id),
        _ => None,
    }
}

fn time(row: &Row, column: &str) -> DateTime<Utc> {
    match row.get(column) {
        Some(Value::Time(time)) => *time,
        _ => DateTime::default(),
    }
}
