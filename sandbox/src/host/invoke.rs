//! One invocation: the call of the handler, and the host's evaluation of the answer.

use std::future::pending;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue, Method};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::Inner;
use super::client::{Answer, Body, Call};
use super::events::{HostEvent, Outcome};
use super::handler::{Command, HandlerState, Phase};
use super::launch::Level;
use crate::clock::TimeHold;

/// An invocation in progress.
pub(super) struct Invocation<'a> {
    inner: &'a Inner,
    function: &'a str,
    pub id: Uuid,
    began: DateTime<Utc>,
    /// Hold simulated time unless the handler sleeps. Released when the handler can no longer answer.
    holds: Vec<TimeHold>,
    instance: u64,
}

/// The host's evaluation of an answer to its own POST request.
#[derive(Debug, PartialEq, Eq)]
enum Evaluation {
    Done(Vec<String>),
    Failed(String),
    /// The host waits for a result that never comes.
    Never,
}

impl<'a> Invocation<'a> {
    pub(super) fn begin(inner: &'a Inner, function: &'a str, hold: TimeHold) -> Self {
        let id = Uuid::new_v4();
        let instance = inner.handler_state.borrow().instance;
        inner.in_flight.send_modify(|count| *count += 1);
        inner.report(HostEvent::Started { function: function.to_owned(), id });
        Self { inner, function, id, began: inner.clock.now(), holds: vec![hold], instance }
    }

    /// Sends the host's own invocation format, and evaluates the answer.
    pub(super) async fn post(&mut self, payload: &Value) -> Outcome {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        let call = Call {
            method: Method::POST,
            path_and_query: format!("/{}", self.function),
            headers,
            body: Body::Chunked(payload.to_string().into()),
        };
        self.guarded(call, |invocation, answer| match evaluation(&answer) {
            Evaluation::Done(logs) => {
                logs.iter().for_each(|line| (invocation.inner.output)(Level::Information, line));
                Some(Ok(()))
            }
            Evaluation::Failed(reason) => Some(Err(reason)),
            Evaluation::Never => None,
        })
        .await
        .map_or_else(|outcome| outcome, |()| Outcome::Succeeded)
    }

    /// Forwards an HTTP request. Any answer is returned to the caller.
    pub(super) async fn forward(&mut self, call: Call) -> Result<Answer, Outcome> {
        self.guarded(call, |_, answer| Some(Ok(answer))).await
    }

    /// Calls the handler. The outcome is an error unless `evaluate` accepts an answer. `None` waits forever.
    async fn guarded<T>(
        &mut self,
        call: Call,
        evaluate: impl FnOnce(&Self, Answer) -> Option<Result<T, String>>,
    ) -> Result<T, Outcome> {
        let (inner, instance, began) = (self.inner, self.instance, self.began);
        let (handler, port) = self.handler().await?;
        let end = inner.app.function_timeout.map(|timeout| began + timeout);
        let deadline = async {
            match end {
                Some(end) => inner.clock.sleep_until(end).await,
                None => pending().await,
            }
        };
        let answered = async {
            match inner.client.send(self.id, port, call, inner.app.has_application_insights()).await {
                Ok(answer) => match evaluate(self, answer) {
                    Some(evaluation) => evaluation,
                    None => {
                        // Nothing acts for this invocation any more.
                        self.holds.clear();
                        pending().await
                    }
                },
                Err(error) => Err(error),
            }
        };
        let ended = tokio::select! {
            biased;
            answer = answered => answer.map_err(|reason| {
                if inner.handler_state.borrow().instance == instance { Outcome::Failed(reason) } else { Outcome::Lost }
            }),
            handler_state = inner.until(|state| state.handler != handler) => {
                let lost = handler_state.is_none_or(|state| state.instance != instance);
                Err(if lost { Outcome::Lost } else { Outcome::Failed("the handler exited".to_owned()) })
            }
            hold = deadline => {
                // The first hold is suspended if the handler sleeps. This one stops time until the handler is killed.
                self.holds.push(hold);
                Err(Outcome::Failed(String::new()))
            }
        };
        // Each invocation has a timer of its own. Its exception reaches the host even if the handler is already dead.
        if matches!(ended, Err(Outcome::Failed(_))) && end.is_some_and(|end| inner.clock.now() >= end) {
            inner.command(Command::TimedOut);
            return Err(Outcome::Failed("the function timed out".to_owned()));
        }
        ended
    }

    /// Waits for a handler that is ready.
    async fn handler(&self) -> Result<(u64, u16), Outcome> {
        let instance = self.instance;
        let changed = |state: &HandlerState| state.instance != instance || state.phase != Phase::Starting;
        let Some(handler_state) = self.inner.until(changed).await.filter(|state| state.instance == instance) else {
            return Err(Outcome::Lost);
        };
        match handler_state.phase {
            Phase::Ready(port) => Ok((handler_state.handler, port)),
            Phase::Gone => Err(Outcome::Failed("the handler has exited: connection refused".to_owned())),
            Phase::Stopped | Phase::Starting => Err(Outcome::Failed("the host has stopped".to_owned())),
        }
    }

    /// Reports the end of the invocation.
    pub(super) fn end(&self, outcome: &Outcome) {
        let took = self.inner.clock.now() - self.began;
        let function = self.function.to_owned();
        self.inner.report(HostEvent::Ended { function, id: self.id, outcome: outcome.clone(), took });
    }
}

impl Drop for Invocation<'_> {
    fn drop(&mut self) {
        self.inner.invocation_ended();
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reply {
    #[serde(default)]
    logs: Option<Vec<String>>,
    #[serde(default, rename = "Outputs")]
    _outputs: Option<serde_json::Map<String, Value>>,
}

fn evaluation(answer: &Answer) -> Evaluation {
    if !answer.status.is_success() {
        return Evaluation::Failed(format!("the handler answered {}", answer.status));
    }
    // An empty body is read as null, whatever its type, and null is not a result.
    if answer.body.is_empty() {
        return Evaluation::Never;
    }
    let media_type = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media_type != "application/json" && media_type != "text/json" {
        return Evaluation::Failed(format!("no MediaTypeFormatter is available to read '{media_type}'"));
    }
    match serde_json::from_slice::<Option<Reply>>(&answer.body) {
        Ok(None) => Evaluation::Never,
        Ok(Some(reply)) => Evaluation::Done(reply.logs.unwrap_or_default()),
        Err(error) => Evaluation::Failed(format!("the handler's answer does not have the expected format: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn evaluated(status: u16, media_type: &'static str, body: &'static str) -> Evaluation {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        evaluation(&Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.into() })
    }

    #[test]
    fn answers_are_evaluated_like_in_the_host() {
        let json = "application/json; charset=utf-8";
        let done = r#"{"Outputs":{},"Logs":["a"],"ReturnValue":null}"#;
        assert_eq!(evaluated(200, json, done), Evaluation::Done(vec!["a".to_owned()]));
        assert_eq!(evaluated(201, json, "{}"), Evaluation::Done(vec![]));
        assert_eq!(evaluated(200, json, ""), Evaluation::Never);
        assert_eq!(evaluated(204, "text/plain", ""), Evaluation::Never);
        assert_eq!(evaluated(200, json, "null"), Evaluation::Never);
        for (status, media_type, body) in
            [(500, json, done), (404, json, done), (200, "text/plain", done), (200, json, "{"), (200, json, "[1]")]
        {
            assert!(
                matches!(evaluated(status, media_type, body), Evaluation::Failed(_)),
                "{status} {media_type} {body}"
            );
        }
    }
}
