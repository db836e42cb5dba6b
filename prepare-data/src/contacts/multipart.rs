//! `$batch`: many requests in one, and their replies.
//!
//! Microsoft's page "Execute batch operations using the Web API"; the format is OData 4.0, part 1, section 11.7.

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use commerce_journeys::clients::Reply;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Most requests that a batch can have.
pub(super) const MOST_REQUESTS: usize = 1000;

/// A `PATCH` within a batch.
pub(super) struct Patch<'a> {
    /// Path from the host's root.
    pub(super) path: &'a str,
    /// `If-Match` or `If-None-Match`, and its value.
    pub(super) guard: (&'static str, &'a str),
    /// JSON.
    pub(super) body: &'a str,
}

/// The body of a batch without change sets: each request succeeds or fails by itself.
pub(super) fn compose(patches: &[Patch<'_>], boundary: &str) -> String {
    let mut text = String::new();
    for Patch { path, guard: (header, value), body } in patches {
        text += &format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n\
             PATCH {path} HTTP/1.1\r\nContent-Type: application/json\r\n{header}: {value}\r\n\r\n{body}\r\n"
        );
    }
    text + &format!("--{boundary}--\r\n")
}

/// The replies in a batch, in the order of the requests; `None` if they cannot be parsed.
pub(super) fn read(content_type: &str, body: &Bytes, now: DateTime<Utc>) -> Option<Vec<Reply>> {
    let boundary = content_type.split(';').find_map(|parameter| parameter.trim().strip_prefix("boundary="))?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let text = std::str::from_utf8(body).ok()?;
    let mut parts = text.split(delimiter.as_str()).skip(1);
    let mut replies = Vec::new();
    loop {
        let part = parts.next()?;
        if part.starts_with("--") {
            return Some(replies);
        }
        replies.push(answer(part, now)?);
    }
}

/// One part: its headers, then a complete HTTP reply.
fn answer(part: &str, now: DateTime<Utc>) -> Option<Reply> {
    let (_, http) = split_at_blank_line(part.trim_start_matches(['\r', '\n']))?;
    let (head, body) = split_at_blank_line(http).unwrap_or((http, ""));
    let mut lines = head.lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse::<u16>().ok()?;
    let headers: HeaderMap = lines
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, value)| {
            let name: HeaderName = name.trim().parse().ok()?;
            Some((name, HeaderValue::from_str(value.trim()).ok()?))
        })
        .collect();
    let body = Bytes::copy_from_slice(body.trim().as_bytes());
    Some(Reply::new(StatusCode::from_u16(status).ok()?, headers, body, now))
}

fn split_at_blank_line(text: &str) -> Option<(&str, &str)> {
    text.split_once("\r\n\r\n").or_else(|| text.split_once("\n\n"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_batch_has_a_part_for_each_request_and_an_end() {
        let patch = Patch { path: "/api/data/v9.2/contacts(1)", guard: ("If-None-Match", "*"), body: "{}" };
        let text = compose(&[patch], "batch_1");
        let expected = [
            "--batch_1",
            "Content-Type: application/http",
            "Content-Transfer-Encoding: binary",
            "",
            "PATCH /api/data/v9.2/contacts(1) HTTP/1.1",
            "Content-Type: application/json",
            "If-None-Match: *",
            "",
            "{}",
            "--batch_1--",
            "",
        ];
        assert_eq!(text.split("\r\n").collect::<Vec<_>>(), expected);
    }

    #[test]
    fn answers_keep_status_headers_and_body_whatever_ends_their_lines() {
        let text = "--b_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n\r\n\
            --b_1\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: 7\r\n\r\n{\"error\":{}}\r\n--b_1--";
        for text in [text.to_owned(), text.replace("\r\n", "\n")] {
            let replies = read("multipart/mixed; boundary=\"b_1\"", &Bytes::from(text), Utc::now()).unwrap();
            assert_eq!(replies.iter().map(|reply| reply.status.as_u16()).collect::<Vec<_>>(), [204, 429]);
            assert_eq!(replies[1].retry_after, Some(Duration::from_secs(7)));
            assert_eq!(replies[1].body, "{\"error\":{}}");
        }
    }

    #[test]
    fn a_reply_that_breaks_off_is_none() {
        let text = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n";
        assert!(read("multipart/mixed; boundary=b", &Bytes::from(text), Utc::now()).is_none());
        assert!(read("application/json", &Bytes::from("{}"), Utc::now()).is_none());
    }
}
