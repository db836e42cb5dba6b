//! Splits query text into tokens.

use std::ops::Range;

use super::QueryError;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    /// A keyword or an identifier.
    Word(String),
    /// A string literal, without its quotes.
    Text(String),
    Number(serde_json::Number),
    /// A parameter, with its `@`.
    Parameter(String),
    Symbol(&'static str),
}

/// A token and the bytes of the text that it covers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

/// Longer symbols come first, because the first match is taken.
const SYMBOLS: [&str; 25] = [
    "!=", "<>", "<=", ">=", "||", "??", "(", ")", "[", "]", "{", "}", ",", ".", ":", "?", "*", "+", "-", "/", "%", "=",
    "<", ">", ";",
];

/// Splits a query into tokens; comments (`-- …`) and white space are skipped.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, QueryError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        if text[at..].starts_with("--") {
            at += text[at..].find('\n').unwrap_or(text.len() - at);
            continue;
        }
        let (kind, length) = token(&text[at..], next).ok_or_else(|| QueryError::syntax(text, at..text.len()))?;
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    Ok(tokens)
}

fn token(rest: &str, first: char) -> Option<(TokenKind, usize)> {
    match first {
        '\'' | '"' => text_literal(rest, first),
        '@' => {
            let length = 1 + word_length(&rest[1..]);
            (length > 1).then(|| (TokenKind::Parameter(rest[..length].to_owned()), length))
        }
        '0'..='9' => number(rest),
        _ if is_word_start(first) => {
            let length = word_length(rest);
            Some((TokenKind::Word(rest[..length].to_owned()), length))
        }
        _ => {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol))?;
            Some((TokenKind::Symbol(symbol), symbol.len()))
        }
    }
}

fn is_word_start(char: char) -> bool {
    char.is_alphabetic() || char == '_' || char == '$'
}

fn word_length(text: &str) -> usize {
    text.find(|char: char| !(char.is_alphanumeric() || char == '_' || char == '$')).unwrap_or(text.len())
}

/// A literal in single or double quotes, with the escape sequences of JSON and `\'`.
fn text_literal(rest: &str, quote: char) -> Option<(TokenKind, usize)> {
    let mut literal = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => match chars.next()?.1 {
                'n' => literal.push('\n'),
                't' => literal.push('\t'),
                'r' => literal.push('\r'),
                'b' => literal.push('\u{8}'),
                'f' => literal.push('\u{c}'),
                'u' => {
                    let digits: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                    literal.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => literal.push(other),
            },
            _ if char == quote => return Some((TokenKind::Text(literal), at + 1)),
            _ => literal.push(char),
        }
    }
    None
}

/// A number as in JSON, without a sign.
fn number(rest: &str) -> Option<(TokenKind, usize)> {
    let digits = |text: &str| text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
    let mut length = digits(rest);
    if rest[length..].starts_with('.') && digits(&rest[length + 1..]) > 0 {
        length += 1 + digits(&rest[length + 1..]);
    }
    if rest[length..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[length + 1..].starts_with(['+', '-']));
        let exponent = digits(&rest[length + 1 + sign..]);
        if exponent > 0 {
            length += 1 + sign + exponent;
        }
    }
    let number = serde_json::from_str(&rest[..length]).ok()?;
    Some((TokenKind::Number(number), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn both_quotes_delimit_strings() {
        let text = |text: &str| TokenKind::Text(text.to_owned());
        assert_eq!(
            kinds(r#"'a"b' "c'd" 'O\'Brien' "\u00e9""#),
            [text("a\"b"), text("c'd"), text("O'Brien"), text("é")]
        );
    }

    #[test]
    fn numbers_words_and_symbols_are_separated() {
        let kinds = kinds("c.n>=1.5e3 --comment\n<>@p");
        assert_eq!(kinds.len(), 7);
        assert_eq!(kinds[3], TokenKind::Symbol(">="));
        assert_eq!(kinds[5], TokenKind::Symbol("<>"));
        assert_eq!(kinds[6], TokenKind::Parameter("@p".to_owned()));
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        for text in ["'open", "a # b", "@ "] {
            assert!(tokens(text).is_err(), "{text}");
        }
    }
}
