//! The contact of a customer, assigned once.
//!
//! Dataverse cannot prevent that one delivery links a customer's number to a contact while another creates a second
//! contact. So each delivery first creates an assignment here, and the first assignment wins. Only new customers need this
//! request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Store, StoreError, if_match};
use crate::events::EventId;

#[derive(Serialize, Deserialize)]
struct Assignment {
    id: String,
    #[serde(rename = "EventChannelId")]
    partition: String,
    #[serde(rename = "contactId")]
    contact_id: Uuid,
    ttl: u64,
    #[serde(rename = "_etag", default, skip_serializing)]
    etag: Option<String>,
}

impl Assignment {
    fn new(company: &str, number: &str, contact_id: Uuid) -> Self {
        let id = EventId::new("customer", &company.to_lowercase(), &number.to_lowercase(), "").to_string();
        Self { id, partition: CUSTOMERS.to_owned(), contact_id, ttl: TTL_SECONDS, etag: None }
    }
}

/// The partition of the assignments. Channel ids are numbers, so there is no conflict.
const CUSTOMERS: &str = "customers";

/// An assignment is needed while deliveries can overlap. Afterwards Dataverse has the contact.
const TTL_SECONDS: u64 = 86_400;

impl Store {
    /// Assigns `contact` to a customer, unless the customer has a contact already. Returns the assigned contact.
    pub async fn assign_contact(&self, company: &str, number: &str, contact: Uuid) -> Result<Uuid, StoreError> {
        let assignment = Assignment::new(company, number, contact);
        let container = self.container().await?;
        let created = self
            .with_timeout(async { Ok(container.create_item(CUSTOMERS, &assignment.id, &assignment, None).await?) })
            .await;
        match created {
            Ok(_) => Ok(contact),
            Err(StoreError::Conflict(_)) => {
                let existing: Option<Assignment> = self.read(CUSTOMERS, &assignment.id).await?;
                Ok(existing.map_or(contact, |existing| existing.contact_id))
            }
            Err(error) => Err(error),
        }
    }

    /// Replaces a customer's assigned contact, which cannot be used any more. Returns the assigned contact: another delivery
    /// may have replaced it meanwhile.
    pub async fn reassign_contact(
        &self,
        company: &str,
        number: &str,
        unusable: Uuid,
        contact: Uuid,
    ) -> Result<Uuid, StoreError> {
        let assignment = Assignment::new(company, number, contact);
        let existing: Option<Assignment> = self.read(CUSTOMERS, &assignment.id).await?;
        let Some(existing) = existing else { return self.assign_contact(company, number, contact).await };
        if existing.contact_id != unusable {
            return Ok(existing.contact_id);
        }
        let container = self.container().await?;
        let options = existing.etag.as_deref().map(if_match);
        let replaced = self
            .with_timeout(async {
                Ok(container.replace_item(CUSTOMERS, &assignment.id, &assignment, options).await.map(drop)?)
            })
            .await;
        match replaced {
            Ok(()) => Ok(contact),
            Err(StoreError::Conflict(_)) => {
                let current: Option<Assignment> = self.read(CUSTOMERS, &assignment.id).await?;
                Ok(current.map_or(contact, |current| current.contact_id))
            }
            Err(error) => Err(error),
        }
    }
}
