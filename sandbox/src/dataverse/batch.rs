//! `$batch`: many requests in one.
//!
//! Microsoft's page "Execute batch operations using the Web API". Change sets are not supported, because nothing here
//! uses them.

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::Dataverse;
use super::error::ODataError;
use super::request::{ApiRequest, ROOT, Target};

/// The most requests in a batch.
const MOST_REQUESTS: usize = 1000;

/// Whether this request is a batch.
pub(super) fn is_batch(uri: &Uri) -> bool {
    uri.path().strip_prefix(ROOT).is_some_and(|path| path == "$batch" || path == "%24batch")
}

/// The requests of a batch.
pub(super) struct Batch {
    requests: Vec<(Parts, Bytes)>,
    continues_on_error: bool,
}

impl Batch {
    /// Parses a batch.
    pub(super) fn read(outer: &Parts, body: &Bytes) -> Result<Self, ODataError> {
        if outer.method != Method::POST {
            let message = format!("The requested resource does not support http method '{}'.", outer.method);
            return Err(ODataError::new(StatusCode::METHOD_NOT_ALLOWED, "", message));
        }
        let boundary = boundary(outer).ok_or_else(|| {
            let message = "A batch must have the content type multipart/mixed, with a boundary.";
            ODataError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "", message)
        })?;
        let text = std::str::from_utf8(body).map_err(|_| malformed("it is not UTF-8"))?;
        let mut requests = Vec::new();
        let delimiter = format!("--{boundary}");
        let mut parts = text.split(delimiter.as_str()).skip(1);
        loop {
            let part = parts.next().ok_or_else(|| malformed("its end is missing"))?;
            if part.starts_with("--") {
                break;
            }
            requests.push(request(outer, part)?);
        }
        // The code of each of these errors is not documented.
        match requests.len() {
            0 => Err(malformed("it is empty")),
            1..=MOST_REQUESTS => Ok(Self { requests, continues_on_error: continues_on_error(outer) }),
            many => Err(malformed(&format!("its {many} requests exceed the maximum of {MOST_REQUESTS}"))),
        }
    }

    /// The number of requests.
    pub(super) fn len(&self) -> usize {
        self.requests.len()
    }

    /// Executes the requests one after the other, up to the first error, or all if the caller wants that.
    pub(super) async fn run(self, dataverse: &Dataverse) -> Result<Response, ODataError> {
        let mut answers = Vec::with_capacity(self.requests.len());
        let mut status = StatusCode::OK;
        for (parts, body) in self.requests {
            let answer = answer(dataverse, parts, body).unwrap_or_else(IntoResponse::into_response);
            let (is_error, its_status) = (answer.status().as_u16() >= 400, answer.status());
            answers.push(answer);
            if is_error && !self.continues_on_error {
                status = its_status;
                break;
            }
        }
        let boundary = format!("batchresponse_{}", Uuid::new_v4());
        let mut text = String::new();
        for answer in answers {
            text += &part(&boundary, answer).await?;
        }
        text += &format!("--{boundary}--\r\n");
        let kind = format!("multipart/mixed; boundary={boundary}");
        Ok((status, [(header::CONTENT_TYPE, kind)], text).into_response())
    }
}

fn answer(dataverse: &Dataverse, parts: Parts, body: Bytes) -> Result<Response, ODataError> {
    let request = ApiRequest::new(parts, body, dataverse.inner.options.dual_write)?;
    match request.target {
        // The undelivered effects of several journeys in one reply could not be tracked.
        Target::Named(_) => Err(ODataError::not_here("An action within a batch")),
        _ => dataverse.dispatch(&request),
    }
}

fn malformed(why: &str) -> ODataError {
    ODataError::bad_request("", format!("The batch cannot be read: {why}."))
}

/// The boundary in the batch's content type.
fn boundary(outer: &Parts) -> Option<&str> {
    let kind = outer.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let mut pieces = kind.split(';').map(str::trim);
    pieces.next().filter(|kind| kind.eq_ignore_ascii_case("multipart/mixed"))?;
    pieces.find_map(|piece| piece.strip_prefix("boundary=")).map(|it| it.trim_matches('"')).filter(|it| !it.is_empty())
}

fn continues_on_error(outer: &Parts) -> bool {
    let values = outer.headers.get_all("Prefer").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|it| it.trim().eq_ignore_ascii_case("odata.continue-on-error"))
}

/// One part: its headers, an empty line, and a request.
fn request(outer: &Parts, part: &str) -> Result<(Parts, Bytes), ODataError> {
    let part = part.strip_prefix("\r\n").ok_or_else(|| malformed("its lines must end with CR LF"))?;
    let (head, http) = part.split_once("\r\n\r\n").ok_or_else(|| malformed("a part has no empty line"))?;
    let has = |name: &str, value: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        headers.any(|(its_name, its)| its_name.trim().eq_ignore_ascii_case(name) && its.trim().starts_with(value))
    };
    if has("Content-Type", "multipart/mixed") {
        return Err(ODataError::not_here("A change set"));
    }
    if !has("Content-Type", "application/http") || !has("Content-Transfer-Encoding", "binary") {
        return Err(malformed("a part must be application/http, in binary"));
    }
    let (head, body) = http.split_once("\r\n\r\n").ok_or_else(|| malformed("a request has no empty line"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some("HTTP/1.1"), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(malformed("a part does not begin with a request line"));
    };
    let mut request = Request::builder().method(method).uri(target);
    if let Some(host) = outer.headers.get(header::HOST) {
        request = request.header(header::HOST, host);
    }
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a header has no colon"))?;
        request = request.header(name.trim(), value.trim());
    }
    let (parts, ()) = request.body(()).map_err(|error| malformed(&error.to_string()))?.into_parts();
    if !parts.uri.path().starts_with(ROOT) || is_batch(&parts.uri) {
        return Err(malformed("a request is not for a resource of the Web API"));
    }
    Ok((parts, Bytes::copy_from_slice(body.trim_end_matches("\r\n").as_bytes())))
}

async fn part(boundary: &str, answer: Response) -> Result<String, ODataError> {
    let (parts, body) = answer.into_parts();
    let body = to_bytes(Body::new(body), usize::MAX).await;
    let body = body.map_err(|_| ODataError::new(StatusCode::INTERNAL_SERVER_ERROR, "", "An answer cannot be read."))?;
    let mut text = format!(
        "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\nHTTP/1.1 {} {}\r\nOData-Version: 4.0\r\n",
        parts.status.as_u16(),
        parts.status.canonical_reason().unwrap_or_default()
    );
    let line =
        |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}\r\n", value.to_str().unwrap_or_default());
    text.extend(parts.headers.iter().map(line));
    Ok(text + "\r\n" + &String::from_utf8_lossy(&body) + "\r\n")
}
