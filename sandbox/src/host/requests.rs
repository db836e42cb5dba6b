//! The HTTP requests that reached a function, as the host passed them on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};

/// A request with a valid key that the host passed on to the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The function.
    pub function: String,
    /// The body.
    pub body: Bytes,
    /// When the host passed it on.
    pub at: DateTime<Utc>,
    /// When the handler answered, and its status. `None` if it has not answered.
    pub answered: Option<(DateTime<Utc>, u16)>,
}

/// All requests so far, of all instances that share it.
#[derive(Clone, Debug, Default)]
pub struct HttpRequests(Arc<Mutex<Vec<HttpRequest>>>);

impl HttpRequests {
    /// The requests so far, in the order in which the host passed them on.
    pub fn all(&self) -> Vec<HttpRequest> {
        self.requests().clone()
    }

    /// The number of requests and of answers so far.
    pub fn count(&self) -> (usize, usize) {
        let requests = self.requests();
        (requests.len(), requests.iter().filter(|request| request.answered.is_some()).count())
    }

    /// Adds a request. Returns its place.
    pub(super) fn add(&self, function: &str, body: &Bytes, at: DateTime<Utc>) -> usize {
        let mut requests = self.requests();
        requests.push(HttpRequest { function: function.to_owned(), body: body.clone(), at, answered: None });
        requests.len() - 1
    }

    pub(super) fn set_answered(&self, place: usize, at: DateTime<Utc>, status: u16) {
        if let Some(request) = self.requests().get_mut(place) {
            request.answered = Some((at, status));
        }
    }

    fn requests(&self) -> MutexGuard<'_, Vec<HttpRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
