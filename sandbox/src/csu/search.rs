//! The search of the event framework extension, with all its special cases.

use std::collections::HashMap;

use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use serde::Deserialize;

use super::error::ErrorReply;
use super::url::Query;
use super::{Csu, Request};
use crate::shop::{EventRow, EventSearch, Fields, Json, SERVICE_ROOT, SqlDateTime};

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
pub(super) struct Cache(HashMap<Window, (DateTime<Utc>, String)>);

impl Cache {
    fn get(&self, window: &Window, now: DateTime<Utc>) -> Option<String> {
        self.0.get(window).filter(|(expires, _)| now < *expires).map(|(_, page)| page.clone())
    }

    fn put(&mut self, window: Window, page: String, now: DateTime<Utc>, lifetime: TimeDelta) {
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
            return Ok(page);
        }
        let (rows, count) = self.0.shop.search_events(&window.search());
        let page = page(&rows, window.paging.count.then_some(count));
        if !rows.is_empty() {
            state.cache.put(window, page.clone(), now, self.0.options.cache_for);
        }
        Ok(page)
    }

    /// All events, one page of them. Nothing is cached.
    pub(super) fn all_events(&self, request: &Request<'_>) -> Result<String, ErrorReply> {
        let Paging { top, skip, count } = Paging::of(request.query, self.0.options.max_top)?;
        let search = EventSearch { event_type: None, after: None, until: None, skip, top };
        let (rows, total) = self.0.shop.search_events(&search);
        Ok(page(&rows, count.then_some(total)))
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

    fn search(&self) -> EventSearch {
        EventSearch {
            event_type: Some(self.event_type.clone()),
            after: Some(self.from),
            until: Some(self.to),
            skip: self.paging.skip,
            top: self.paging.top,
        }
    }
}

fn page(rows: &[EventRow], count: Option<usize>) -> String {
    let mut page = Fields::default();
    page.set("@odata.context", format!("{SERVICE_ROOT}/$metadata#CommerceEventsController"));
    if let Some(count) = count {
        page.set("@odata.count", Json::number(count.to_string()));
    }
    page.set("value", rows.iter().map(EventRow::body).collect::<Json>());
    page.text()
}
