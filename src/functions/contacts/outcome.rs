//! How a contact was resolved, or why there is none.

use uuid::Uuid;

use crate::clients::dataverse::{ContactRow, DataverseError};
use crate::clients::store::StoreError;
use crate::events::{Reason, ReasonCode};

/// A contact, and how it was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::functions) struct ResolvedContact {
    pub(in crate::functions) id: Uuid,
    pub(in crate::functions) resolution: ContactResolution,
    /// What could not be written.
    pub(in crate::functions) not_written: Option<NotWritten>,
}

/// Columns that could not be written. The contact is used without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::functions) struct NotWritten {
    pub(in crate::functions) columns: Vec<&'static str>,
    /// Why.
    pub(in crate::functions) cause: String,
}

impl NotWritten {
    /// The note of the event's record.
    pub(in crate::functions) fn reason(&self) -> Reason {
        let lacks_number = self.columns.contains(&"msdyn_contactnumber");
        let code = if lacks_number { ReasonCode::NumberNotWritten } else { ReasonCode::ContactNotUpdated };
        Reason::new(code, format!("{} could not be written: {}", self.columns.join(", "), self.cause))
    }
}

/// How a contact was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::functions) enum ContactResolution {
    /// Found by the account number.
    FoundByNumber,
    /// Found by an e-mail address of the customer.
    FoundByEmail,
    /// Found through a contact that was merged into it.
    Merged,
    /// Found, and updated with the missing number or address.
    Linked,
    /// Created.
    Created,
}

impl ContactResolution {
    /// The name in the log.
    pub(in crate::functions) fn name(self) -> &'static str {
        match self {
            Self::FoundByNumber => "foundByNumber",
            Self::FoundByEmail => "foundByEmail",
            Self::Merged => "merged",
            Self::Linked => "linked",
            Self::Created => "created",
        }
    }
}

/// A contact to use.
#[derive(Debug)]
pub(super) enum Found {
    /// It was read.
    Existing(ContactRow, ContactResolution),
    /// It was created, perhaps without some columns.
    Created(Uuid, Option<NotWritten>),
}

/// Why there is no contact.
#[derive(Debug, thiserror::Error)]
pub(in crate::functions) enum ContactError {
    #[error(transparent)]
    Dataverse(#[from] DataverseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody has deactivated the person's contact.
    #[error(
        "the contact {0} is inactive; activate it, or merge it into another one, to start journeys for this person"
    )]
    Inactive(Uuid),
    /// Other contacts have values that must be unique, and they cannot be used.
    #[error(
        "the contact cannot be created ({cause}); these contacts have the number or the address but are inactive or belong to \
         another customer: {}",
        list(holders)
    )]
    KeyTaken {
        /// Status and code.
        cause: String,
        /// The contacts that have the values, if any was found.
        holders: Vec<Uuid>,
    },
    /// Another delivery has just chosen another contact for the same customer.
    #[error("another delivery has chosen another contact for this customer")]
    ChosenOtherwise,
}

fn list(ids: &[Uuid]) -> String {
    if ids.is_empty() {
        return "none was found".to_owned();
    }
    ids.iter().take(5).map(Uuid::to_string).collect::<Vec<_>>().join(", ")
}
