//! The tokens of a `$filter`.

use super::error::ODataError;

/// A token of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    /// A quoted literal, without its quotes and with doubled quotes resolved.
    Text(String),
    /// Anything else: names, operators, numbers, GUIDs.
    Word(String),
}

/// Splits a filter into tokens, each with its position in characters.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ODataError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let start = at;
        let token = match char {
            ' ' | '\t' => {
                at += 1;
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            '\'' => {
                let (literal, end) = quoted(&chars, at).ok_or_else(|| unterminated(start, text))?;
                at = end;
                Token::Text(literal)
            }
            _ => {
                let end = chars[at..].iter().position(|c| " \t()'".contains(*c)).map_or(chars.len(), |n| at + n);
                let word = chars[at..end].iter().collect();
                at = end - 1;
                Token::Word(word)
            }
        };
        at += 1;
        tokens.push((start, token));
    }
    Ok(tokens)
}

/// The literal with its opening quote at `at`, and the position of its closing quote.
fn quoted(chars: &[char], at: usize) -> Option<(String, usize)> {
    let mut literal = String::new();
    let mut at = at + 1;
    loop {
        match (*chars.get(at)?, chars.get(at + 1)) {
            ('\'', Some('\'')) => {
                literal.push('\'');
                at += 2;
            }
            ('\'', _) => return Some((literal, at)),
            (char, _) => {
                literal.push(char);
                at += 1;
            }
        }
    }
}

fn unterminated(position: usize, text: &str) -> ODataError {
    ODataError::syntax(format!("There is an unterminated literal at position {position} in '{text}'."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled_inside_literals() {
        let tokens = tokens("(lastname eq 'O''Bryan'''  or x)").unwrap();
        let tokens: Vec<Token> = tokens.into_iter().map(|(_, token)| token).collect();
        let word = |word: &str| Token::Word(word.to_owned());
        let text = Token::Text("O'Bryan'".to_owned());
        assert_eq!(tokens, [Token::Open, word("lastname"), word("eq"), text, word("or"), word("x"), Token::Close]);
    }

    #[test]
    fn a_single_quote_inside_a_literal_ends_it() {
        let error = tokens("lastname eq 'O'Bryan'").unwrap_err();
        assert!(error.message.contains("unterminated literal at position 20"), "{}", error.message);
    }

    #[test]
    fn positions_count_characters() {
        assert_eq!(tokens("'é' x").unwrap()[1].0, 4);
    }
}
