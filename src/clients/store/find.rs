//! Finds records by what an operator knows. Each property that is compared is in the index policy of
//! `infra/modules/cosmos.bicep`.

use azure_data_cosmos::Query;
use azure_data_cosmos::feed::FeedScope;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::events::{ReasonCode, Record, Status};

/// What a record must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Criterion {
    /// The order number.
    SalesId(String),
    /// The confirmation number of an online order.
    ChannelReferenceId(String),
    /// The number on a store's receipt.
    ReceiptId(String),
    /// The id of the cart.
    TransactionId(String),
    /// The account number of the customer.
    CustomerNumber(String),
    /// One of these contacts, in lower case.
    Contacts(Vec<String>),
    /// The status.
    Status(Status),
    /// The code of its reason.
    Reason(ReasonCode),
    /// A journey that is not due yet.
    Scheduled,
}

/// Where a page begins. Events have no unique order by time, so those of the same time that were listed already are named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Page {
    /// The time of the last event that was listed, as Commerce wrote it.
    until: String,
    /// The events of that time that were listed.
    except: Vec<String>,
}

impl Store {
    /// At most `limit` records with all of these properties, the latest event first, and where the next page begins.
    pub async fn find(
        &self,
        criteria: &[Criterion],
        page: Option<&Page>,
        limit: usize,
    ) -> Result<(Vec<Record>, Option<Page>), StoreError> {
        let records: Vec<Record> = self.query(query(criteria, page, limit)?, FeedScope::full_container()).await?;
        let next = (records.len() == limit).then(|| next_page(&records, page)).flatten();
        Ok((records, next))
    }
}

fn query(criteria: &[Criterion], page: Option<&Page>, limit: usize) -> Result<Query, StoreError> {
    // Claims and cursors have no status.
    let mut conditions = vec!["IS_DEFINED(c.status)".to_owned()];
    conditions.extend(criteria.iter().enumerate().map(|(index, criterion)| criterion.condition(index)));
    if page.is_some() {
        conditions.push("c.EventDateTime <= @until AND NOT ARRAY_CONTAINS(@except, c.id)".to_owned());
    }
    let text = format!("SELECT TOP @limit * FROM c WHERE {} ORDER BY c.EventDateTime DESC", conditions.join(" AND "));
    let mut query = Query::from(text).with_parameter("@limit", limit)?;
    for (index, criterion) in criteria.iter().enumerate() {
        query = criterion.add_to(query, index)?;
    }
    if let Some(Page { until, except }) = page {
        query = query.with_parameter("@until", until)?.with_parameter("@except", except)?;
    }
    Ok(query)
}

impl Criterion {
    fn condition(&self, index: usize) -> String {
        match self {
            Self::SalesId(_) => format!("c.salesId = @p{index}"),
            Self::ChannelReferenceId(_) => format!("c.channelReferenceId = @p{index}"),
            Self::ReceiptId(_) => format!("c.receiptId = @p{index}"),
            Self::TransactionId(_) => format!("c.EventTransactionId = @p{index}"),
            // Before the order is read, only the event may contain the number.
            Self::CustomerNumber(_) => format!("(c.customerNumber = @p{index} OR c.EventCustomerId = @p{index})"),
            Self::Contacts(ids) if ids.is_empty() => "false".to_owned(),
            Self::Contacts(ids) => {
                let names: Vec<String> = (0..ids.len()).map(|nth| format!("@p{index}_{nth}")).collect();
                format!("c.contactId IN ({})", names.join(", "))
            }
            Self::Status(_) => format!("c.status = @p{index}"),
            Self::Reason(_) => format!("c.reason.code = @p{index}"),
            Self::Scheduled => "IS_DEFINED(c.scheduledFor)".to_owned(),
        }
    }

    fn add_to(&self, query: Query, index: usize) -> Result<Query, StoreError> {
        let name = format!("@p{index}");
        Ok(match self {
            Self::SalesId(text)
            | Self::ChannelReferenceId(text)
            | Self::ReceiptId(text)
            | Self::TransactionId(text)
            | Self::CustomerNumber(text) => query.with_parameter(name, text)?,
            Self::Contacts(ids) => {
                let mut query = query;
                for (nth, id) in ids.iter().enumerate() {
                    query = query.with_parameter(format!("{name}_{nth}"), id)?;
                }
                query
            }
            Self::Status(status) => query.with_parameter(name, status)?,
            Self::Reason(code) => query.with_parameter(name, code)?,
            Self::Scheduled => query,
        })
    }
}

fn next_page(records: &[Record], page: Option<&Page>) -> Option<Page> {
    let until = records.last()?.event().date_time.clone();
    let listed = records.iter().filter(|record| record.event().date_time == until);
    let earlier = page.filter(|page| page.until == until).map(|page| page.except.clone()).unwrap_or_default();
    let except = earlier.into_iter().chain(listed.map(|record| record.id().to_string())).collect();
    Some(Page { until, except })
}
