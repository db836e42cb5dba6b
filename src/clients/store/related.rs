//! Other events of one transaction or of one customer.

use azure_data_cosmos::Query;
use azure_data_cosmos::feed::FeedScope;

use super::{Store, StoreError, partition};
use crate::events::{CommerceEvent, KnownEvent};

impl Store {
    /// All recorded events of the transaction of this event, itself included. They are in its partition.
    pub async fn events_of_transaction(&self, event: &CommerceEvent) -> Result<Vec<KnownEvent>, StoreError> {
        // Claims have no status.
        let text = "SELECT c.id, c.EventType, c.EventTransactionId, c.EventDateTime, c.EventDataAreaId, c.status, c.journeys FROM c WHERE c.EventTransactionId = @transaction AND IS_DEFINED(c.status)";
        let query = Query::from(text).with_parameter("@transaction", &event.transaction_id)?;
        self.query(query, FeedScope::partition(partition(&event.channel_id))).await
    }

    /// All recorded events of a customer of this company, in all channels.
    pub async fn events_of_customer(&self, company: &str, number: &str) -> Result<Vec<KnownEvent>, StoreError> {
        let text = "SELECT c.id, c.EventType, c.EventTransactionId, c.EventDateTime, c.EventDataAreaId, c.status, c.journeys FROM c WHERE (c.customerNumber = @number OR c.EventCustomerId = @number) AND IS_DEFINED(c.status)";
        let query = Query::from(text).with_parameter("@number", number)?;
        let mut events: Vec<KnownEvent> = self.query(query, FeedScope::full_container()).await?;
        events.retain(|event| event.data_area_id.eq_ignore_ascii_case(company));
        Ok(events)
    }
}
