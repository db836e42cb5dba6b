//! Which contact a customer gets, decided once.
//!
//! Dataverse cannot tell two deliveries apart that, at the same moment, link a customer's number to one contact and
//! create another. So whoever is about to do either first enters its choice here; the first entry holds, and everybody
//! follows it. Only new customers cost this request.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Store, StoreError};
use crate::events::EventId;

#[derive(Serialize, Deserialize)]
struct Choice {
    id: String,
    #[serde(rename = "EventChannelId")]
    partition: String,
    #[serde(rename = "contactId")]
    contact_id: Uuid,
    ttl: u64,
}

/// The partition of the choices: no channel's record id is a word.
const CUSTOMERS: &str = "customers";

/// A choice is needed for as long as deliveries can overlap; afterwards Dataverse itself knows.
const KEPT_SECONDS: u64 = 86_400;

impl Store {
    /// Enters `contact` as the contact of a customer, unless one has been entered; returns the one that holds.
    pub async fn choose_contact(&self, company: &str, number: &str, contact: Uuid) -> Result<Uuid, StoreError> {
        let id = EventId::new("customer", &company.to_lowercase(), &number.to_lowercase(), "").to_string();
        let choice = Choice { id, partition: CUSTOMERS.to_owned(), contact_id: contact, ttl: KEPT_SECONDS };
        let container = self.container().await?;
        let entered =
            self.bounded(async { Ok(container.create_item(CUSTOMERS, &choice.id, &choice, None).await?) }).await;
        match entered {
            Ok(_) => Ok(contact),
            Err(StoreError::Conflict(_)) => {
                let held: Option<Choice> = self.read(CUSTOMERS, &choice.id).await?;
                Ok(held.map_or(contact, |held| held.contact_id))
            }
            Err(error) => Err(error),
        }
    }
}
