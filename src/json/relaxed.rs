//! JSON as the Azure Functions Core Tools read it: with comments, trailing commas, single quotes and names without quotes.

use std::iter::Peekable;
use std::str::Chars;

/// Rewrites such text as JSON. Lines and columns mostly stay, so that positions in errors are still right. Text that is wrong
/// otherwise stays wrong.
pub fn relaxed(text: &str) -> String {
    let mut rewriter = Rewriter { rest: text.chars().peekable(), json: String::with_capacity(text.len()), comma: None };
    while let Some(next) = rewriter.rest.next() {
        rewriter.rewrite(next);
    }
    rewriter.json
}

struct Rewriter<'a> {
    rest: Peekable<Chars<'a>>,
    json: String,
    /// The position of a comma that only blanks and comments follow.
    comma: Option<usize>,
}

impl Rewriter<'_> {
    fn rewrite(&mut self, next: char) {
        match next {
            '/' if self.rest.peek() == Some(&'/') => self.skip_line(),
            '/' if self.rest.peek() == Some(&'*') => self.skip_comment(),
            '"' | '\'' => self.text(next),
            ',' => {
                self.comma = Some(self.json.len());
                self.json.push(',');
            }
            '}' | ']' => {
                if let Some(comma) = self.comma.take() {
                    self.json.replace_range(comma..=comma, " ");
                }
                self.json.push(next);
            }
            blank if blank.is_whitespace() => self.json.push(blank),
            letter if letter.is_alphabetic() || "_$".contains(letter) => self.word(letter),
            other => self.push(other),
        }
    }

    fn push(&mut self, next: char) {
        self.comma = None;
        self.json.push(next);
    }

    fn skip_line(&mut self) {
        self.json.push(' ');
        while self.rest.peek().is_some_and(|next| *next != '\n') {
            self.rest.next();
            self.json.push(' ');
        }
    }

    fn skip_comment(&mut self) {
        self.json.push(' ');
        let mut before = ' ';
        for next in self.rest.by_ref().skip(1) {
            self.json.push(if next == '\n' { '\n' } else { ' ' });
            if before == '*' && next == '/' {
                return;
            }
            before = next;
        }
    }

    /// A text in either kind of quotes.
    fn text(&mut self, quote: char) {
        self.push('"');
        while let Some(next) = self.rest.next() {
            match next {
                '\\' => match self.rest.next() {
                    Some('\'') => self.json.push('\''),
                    Some(escaped) => self.json.extend(['\\', escaped]),
                    None => return,
                },
                _ if next == quote => return self.json.push('"'),
                '"' => self.json.push_str("\\\""),
                other => self.json.push(other),
            }
        }
    }

    /// A literal, or a name without quotes.
    fn word(&mut self, first: char) {
        self.comma = None;
        let mut word = String::from(first);
        while let Some(next) = self.rest.next_if(|next| next.is_alphanumeric() || "_$".contains(*next)) {
            word.push(next);
        }
        let mut ahead = self.rest.clone();
        let is_name = ahead.find(|next| !next.is_whitespace()) == Some(':');
        if is_name { self.json.push_str(&format!("\"{word}\"")) } else { self.json.push_str(&word) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn comments_commas_and_quotes_are_read_as_core_tools_reads_them() {
        let text = r#"{ // the settings
            /* "Values": {}, */ IsEncrypted: false,
            'Values': { "A": "http://x/*no comment*/", 'B': 'say "hi" // no, it\'s', "C": [1, 2, /* end */ ], },
        }"#;
        let read: Value = serde_json::from_str(&relaxed(text)).unwrap();
        let values = json!({"A": "http://x/*no comment*/", "B": "say \"hi\" // no, it's", "C": [1, 2]});
        assert_eq!(read, json!({"IsEncrypted": false, "Values": values}));
    }

    #[test]
    fn json_stays_as_it_is() {
        for text in [r#"{"a":[1.50,true,null,"\"\\,]"],"b":{}}"#, "[]", "\"a,]\""] {
            assert_eq!(relaxed(text), text);
        }
        for wrong in ["{,,}", "{\"a\" 1}", "/* never closed", "'"] {
            assert!(serde_json::from_str::<Value>(&relaxed(wrong)).is_err(), "{wrong}");
        }
    }
}
