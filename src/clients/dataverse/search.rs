//! Searches contacts.

use std::collections::HashSet;

use reqwest::{Method, RequestBuilder, Url};
use uuid::Uuid;

use super::contact::Rows;
use super::{
    CONTACT_COLUMNS, CONTACT_ORDER, ContactRow, Dataverse, DataverseError, contact_filter, contact_filters, expect_json,
};
use crate::json::read_json;

/// Rows of the first query. Nearly every person has one or two contacts.
const FIRST_PAGE: usize = 50;

/// Pages of each further query. An address of more contacts identifies nobody.
pub const MAX_PAGES: usize = 10;

/// The preference of these queries. It must be repeated for each page.
const PAGE_SIZE: &str = "odata.maxpagesize=200";

/// The result of a search.
#[derive(Debug, Default)]
pub struct FoundContacts {
    /// Active contacts first, then the oldest first.
    pub rows: Vec<ContactRow>,
    /// Whether there are more rows than were read.
    pub is_truncated: bool,
}

impl Dataverse {
    /// The contacts with this account number or one of these e-mail addresses. Usually one request. If there are more rows
    /// than a page, each value is searched by itself, so that contacts that share an address never hide the contact with the
    /// number.
    pub async fn contacts(&self, number: Option<&str>, emails: &[String]) -> Result<FoundContacts, DataverseError> {
        let Some(filter) = contact_filter([(number, emails)]) else { return Ok(FoundContacts::default()) };
        let top = FIRST_PAGE.to_string();
        let mut query = contact_query(&filter).to_vec();
        query.push(("$top", &top));
        let page = self.read_page(self.url("contacts"), |request| request.query(&query)).await?;
        if page.next.is_none() && page.value.len() < FIRST_PAGE {
            return Ok(FoundContacts { rows: page.value, is_truncated: false });
        }
        let mut found = FoundContacts::default();
        let mut seen = HashSet::new();
        for filter in contact_filters(number, emails) {
            let FoundContacts { rows, is_truncated } = self.search(&filter).await?;
            found.rows.extend(rows.into_iter().filter(|row| seen.insert(row.contactid)));
            found.is_truncated |= is_truncated;
        }
        Ok(found)
    }

    /// The contact with this id.
    pub async fn contact(&self, id: Uuid) -> Result<Option<ContactRow>, DataverseError> {
        let query = [("$select", CONTACT_COLUMNS)];
        let reply = self.call(Method::GET, &format!("contacts({id})"), |request| request.query(&query)).await?;
        let row: ContactRow = match expect_json(reply, "contact") {
            Err(DataverseError::NotFound { .. }) => return Ok(None),
            other => read_json(&other?)?,
        };
        if row.contactid == id {
            return Ok(Some(row));
        }
        Err(DataverseError::AnswerLost("a reply with another contact than the requested one".to_owned()))
    }

    /// The contacts that match a filter, page by page.
    async fn search(&self, filter: &str) -> Result<FoundContacts, DataverseError> {
        let query = contact_query(filter);
        let sized = |request: RequestBuilder| request.header("prefer", PAGE_SIZE);
        let mut page = self.read_page(self.url("contacts"), |request| sized(request).query(&query)).await?;
        let mut rows = std::mem::take(&mut page.value);
        for _ in 1..MAX_PAGES {
            let Some(next) = page.next.as_deref() else { break };
            page = self.read_page(self.next_page(next)?, sized).await?;
            rows.append(&mut page.value);
        }
        Ok(FoundContacts { rows, is_truncated: page.next.is_some() })
    }

    async fn read_page(
        &self,
        url: Url,
        complete: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Rows<ContactRow>, DataverseError> {
        let reply = self.send_to(Method::GET, url, complete).await?;
        Ok(read_json(&expect_json(reply, "contact table")?)?)
    }

    /// The address of the next page, as it was given, but always at our own host: the token is for that host only.
    pub fn next_page(&self, link: &str) -> Result<Url, DataverseError> {
        let unreadable = || DataverseError::AnswerLost("a page whose next link cannot be read".to_owned());
        let link = Url::parse(link).map_err(|_| unreadable())?;
        let mut url = self.url("contacts");
        url.set_path(link.path());
        url.set_query(link.query());
        Ok(url)
    }
}

fn contact_query(filter: &str) -> [(&'static str, &str); 3] {
    [("$select", CONTACT_COLUMNS), ("$filter", filter), ("$orderby", CONTACT_ORDER)]
}
