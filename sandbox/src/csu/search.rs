//! The search of the event framework extension, with all its special cases.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde::Deserialize;

use super::error::ErrorReply;
use super::url::Query;
use super::{Csu, Request};
use crate::shop::{EventSearch, Fields, Json, SERVICE_ROOT, SqlDateTime, StoredEvent};

/// The body of a search.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchBody {
    #[serde(rename = "commerceEventSearchCriteria")]
    criteria: Criteria,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Criteria {
    #[serde(default)]
    event_type: String,
    event_date_time_from: DateTime<Utc>,
    event_date_time_to: DateTime<Utc>,
    /// Every entity may have them; none is known.
    #[serde(default, rename = "ExtensionProperties")]
    _extension_properties: Vec<serde_json::Value>,
}

/// The page, and whether to count all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Paging {
    top: usize,
    skip: usize,
    count: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Window {
    channel: i64,
    event_type: String,
    from: SqlDateTime,
    to: SqlDateTime,
    paging: Paging,
}

/// Cached search results. The channel is the one of the request's OUN, although rows of all channels are found.
#[derive(Default)]
pub(super) struct Cache(HashMap<Window, (DateTime<Utc>, Page)>);

/// The rows of a page, and the number of all rows. Rows are shared, because the windows of consecutive searches overlap.
struct Page {
    rows: Vec<Arc<StoredEvent>>,
    count: Option<usize>,
}

impl Cache {
    fn get(&self, window: &Window, now: DateTime<Utc>) -> Option<&Page> {
        self.0.get(window).filter(|(expires, _)| now < *expires).map(|(_, page)| page)
    }

    fn put(&mut self, window: Window, page: Page, now: DateTime<Utc>, lifetime: TimeDelta) {
        self.0.retain(|_, (expires, _)| now < *expires);
        self.0.insert(window, (now + lifetime, page));
    }
}

impl Paging {
    pub(super) fn of(query: &Query, max_top: usize) -> Result<Self, ErrorReply> {
        query.allow_only(&["$top", "$skip", "$count"])?;
        let number = |name: &str, default: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| ErrorReply::invalid(format!("{name} is not a number."))),
        };
        let (top, skip) = (number("$top", max_top)?, number("$skip", 0)?);
        if top > max_top {
            return Err(ErrorReply::invalid(format!("$top is larger than {max_top}.")));
        }
        let count = match query.get("$count") {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ErrorReply::invalid("$count is neither true nor false.")),
        };
        Ok(Self { top, skip, count })
    }
}

impl Csu {
    /// Finds the events of one type in a window. Fractions of a second are removed from the bounds, because the
    /// extension writes them into its query without fractions. A result that is not empty is cached for an hour.
    pub(super) fn search(&self, request: &Request<'_>, body: SearchBody) -> Result<String, ErrorReply> {
        let window = Window::new(request, body.criteria, self.0.options.max_top)?;
        let now = self.0.shop.clock().now();
        let mut state = self.state();
        if let Some(page) = state.cache.get(&window, now) {
            return Ok(page.text());
        }
        let options = &self.0.options;
        let (rows, count) = self.0.shop.search_events(&window.search(options.page_limit.unwrap_or(usize::MAX)));
        let page = Page { rows, count: (window.paging.count && options.counts).then_some(count) };
        let text = page.text();
        if !page.rows.is_empty() {
            state.cache.put(window, page, now, self.0.options.cache_for);
        }
        Ok(text)
    }

    /// All events, one page of them. Nothing is cached.
    pub(super) fn all_events(&self, request: &Request<'_>) -> Result<String, ErrorReply> {
        let Paging { top, skip, count } = Paging::of(request.query, self.0.options.max_top)?;
        let search = EventSearch { event_type: None, after: None, until: None, skip, top };
        let (rows, total) = self.0.shop.search_events(&search);
        Ok(Page { rows, count: count.then_some(total) }.text())
    }
}

impl Window {
    fn new(request: &Request<'_>, criteria: Criteria, max_top: usize) -> Result<Self, ErrorReply> {
        if criteria.event_type.trim().is_empty() {
            return Err(ErrorReply::invalid("EventType is blank."));
        }
        let bounds = [criteria.event_date_time_from, criteria.event_date_time_to];
        if bounds.iter().any(|bound| !(1753..=9999).contains(&bound.year())) {
            return Err(ErrorReply::invalid("A bound is out of the range of the SQL type datetime."));
        }
        Ok(Self {
            channel: request.channel.id,
            event_type: criteria.event_type,
            from: SqlDateTime::second_of(bounds[0]),
            to: SqlDateTime::second_of(bounds[1]),
            paging: Paging::of(request.query, max_top)?,
        })
    }

    fn search(&self, page_limit: usize) -> EventSearch {
        EventSearch {
            event_type: Some(self.event_type.clone()),
            after: Some(self.from),
            until: Some(self.to),
            skip: self.paging.skip,
            top: self.paging.top.min(page_limit),
        }
    }
}

impl Page {
    fn text(&self) -> String {
        let mut page = Fields::default();
        page.set("@odata.context", format!("{SERVICE_ROOT}/$metadata#CommerceEventsController"));
        if let Some(count) = self.count {
            page.set("@odata.count", Json::number(count.to_string()));
        }
        page.set("value", Json::array(self.rows.iter().map(|row| row.json())));
        page.text()
    }
}
