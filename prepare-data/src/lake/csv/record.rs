//! Splits CSV text into records and fields, as RFC 4180 defines them, and refuses what can be read in two ways.

use memchr::{memchr, memchr_iter, memchr3};

/// Where a field is in the text, without its quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Whether it contains doubled quotes.
    pub(super) is_escaped: bool,
}

/// A record: where it ends in the text, and how many lines it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) end: usize,
    pub(super) lines: u64,
}

/// What makes text ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The text ends within a quoted value.
    Unclosed,
    /// A closing quote is followed by neither a delimiter nor the end of the line.
    TextAfterQuote,
}

/// Reads the first record. `None` if the text ends within it and is not all the text (`is_all`).
pub(super) fn next_record(
    text: &[u8],
    is_all: bool,
    delimiter: u8,
    fields: &mut Vec<Field>,
) -> Result<Option<Record>, Malformed> {
    fields.clear();
    let (mut at, mut lines) = (0, 1);
    loop {
        if text.get(at) == Some(&b'"') {
            let Some(field) = quoted(text, at + 1, is_all)? else { return Ok(None) };
            lines += memchr_iter(b'\n', &text[field.start..field.end]).count() as u64;
            at = field.end + 1;
            fields.push(field);
        } else {
            let end = memchr3(delimiter, b'\n', b'\r', &text[at..]).map(|found| at + found);
            if end.is_none() && !is_all {
                return Ok(None);
            }
            let end = end.unwrap_or(text.len());
            fields.push(Field { start: at, end, is_escaped: false });
            at = end;
        }
        match text.get(at) {
            None if !is_all => return Ok(None),
            None => return Ok(Some(Record { end: at, lines })),
            Some(byte) if *byte == delimiter => at += 1,
            Some(b'\n') => return Ok(Some(Record { end: at + 1, lines })),
            Some(b'\r') => match text.get(at + 1) {
                None if !is_all => return Ok(None),
                Some(b'\n') => return Ok(Some(Record { end: at + 2, lines })),
                _ => return Ok(Some(Record { end: at + 1, lines })),
            },
            Some(_) => return Err(Malformed::TextAfterQuote),
        }
    }
}

fn quoted(text: &[u8], start: usize, is_all: bool) -> Result<Option<Field>, Malformed> {
    let (mut at, mut is_escaped) = (start, false);
    loop {
        let Some(found) = memchr(b'"', &text[at..]) else {
            return if is_all { Err(Malformed::Unclosed) } else { Ok(None) };
        };
        let end = at + found;
        match text.get(end + 1) {
            None if !is_all => return Ok(None),
            Some(b'"') => (is_escaped, at) = (true, end + 2),
            _ => return Ok(Some(Field { start, end, is_escaped })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Result<Vec<Vec<String>>, Malformed> {
        let (mut at, mut fields, mut all) = (0, Vec::new(), Vec::new());
        while at < text.len() {
            let rest = &text[at..];
            let Some(record) = next_record(rest.as_bytes(), true, b',', &mut fields)? else { break };
            all.push(fields.iter().map(|field| rest[field.start..field.end].to_owned()).collect());
            at += record.end;
        }
        Ok(all)
    }

    #[test]
    fn quotes_protect_delimiters_and_line_ends() {
        assert_eq!(records("a,\"b,\r\nc\",\r\n,\"\"\n").unwrap(), [vec!["a", "b,\r\nc", ""], vec!["", ""]]);
        assert_eq!(records("a,b").unwrap(), [["a", "b"]]);
    }

    #[test]
    fn text_that_can_be_read_in_two_ways_is_refused() {
        assert_eq!(records("a,\"say \\\"hi\\\"\"\n"), Err(Malformed::TextAfterQuote));
        assert_eq!(records("a,\"b"), Err(Malformed::Unclosed));
    }

    #[test]
    fn an_incomplete_record_waits_for_more_text() {
        for text in ["a,b", "a,\"b", "a,\"b\"", "a,b\r"] {
            assert_eq!(next_record(text.as_bytes(), false, b',', &mut Vec::new()), Ok(None), "{text}");
        }
    }
}
