//! OData addresses: keys and arguments in parentheses, doubled quotes, and parameter aliases in the query (OData 4.0,
//! Part 2: URL Conventions).

use percent_encoding::percent_decode_str;

use super::error::ErrorReply;

/// The segments after the service root.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Segment>);

/// A name with the content of its parentheses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) name: String,
    /// `None` without parentheses. The name of a key is empty.
    pub(super) arguments: Option<Vec<(String, Literal)>>,
}

/// A value in a path or of an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(i64),
    /// `@name`, whose value is a query option.
    Alias(String),
}

impl Path {
    /// Parses a path in its percent-encoded form. `None` if it is not a path of the service.
    pub(super) fn parse(path: &str) -> Option<Result<Self, ErrorReply>> {
        let below = path.trim_start_matches('/').strip_prefix("Commerce/")?;
        // Split before decoding, because an encoded slash is part of a key.
        Some(below.split('/').map(Segment::parse).collect::<Result<_, _>>().map(Self))
    }
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, ErrorReply> {
        let segment = decode(segment)?;
        let Some((name, rest)) = segment.split_once('(') else {
            return Ok(Self { name: segment, arguments: None });
        };
        let inside = rest.strip_suffix(')').ok_or_else(|| ErrorReply::invalid("A parenthesis is not closed."))?;
        Ok(Self { name: name.to_owned(), arguments: Some(arguments(inside)?) })
    }

    /// The key in parentheses.
    pub(super) fn key(&self) -> Option<&str> {
        match self.arguments.as_deref() {
            Some([(name, Literal::Text(key))]) if name.is_empty() => Some(key),
            _ => None,
        }
    }

    /// The argument of a function, with its alias resolved.
    pub(super) fn argument(&self, name: &str, query: &Query) -> Result<Literal, ErrorReply> {
        let arguments = self.arguments.as_deref().unwrap_or_default();
        let found = arguments.iter().find(|(argument, _)| argument == name).map(|(_, value)| value);
        match found {
            Some(Literal::Alias(alias)) => {
                let value = query.get(alias).ok_or_else(|| ErrorReply::invalid(format!("{alias} has no value.")))?;
                Literal::parse(value)
            }
            Some(value) => Ok(value.clone()),
            None => Err(ErrorReply::invalid(format!("The argument {name} is missing."))),
        }
    }
}

impl Literal {
    fn parse(text: &str) -> Result<Self, ErrorReply> {
        if let Some(quoted) = text.strip_prefix('\'') {
            return unquote(quoted).map(Self::Text).ok_or_else(|| ErrorReply::invalid("A text's quotes do not match."));
        }
        if text.starts_with('@') {
            return Ok(Self::Alias(text.to_owned()));
        }
        text.parse().map(Self::Number).map_err(|_| ErrorReply::invalid("A value is neither a text nor a number."))
    }
}

/// The text before the closing quote, which must be the last character. Two quotes are one.
fn unquote(quoted: &str) -> Option<String> {
    let inside = quoted.strip_suffix('\'')?;
    let single = inside.replace("''", "");
    (!single.contains('\'')).then(|| inside.replace("''", "'"))
}

/// `'key'` or `name=value,name=value`.
fn arguments(inside: &str) -> Result<Vec<(String, Literal)>, ErrorReply> {
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    if inside.starts_with('\'') {
        return Ok(vec![(String::new(), Literal::parse(inside)?)]);
    }
    split_outside_quotes(inside)
        .into_iter()
        .map(|argument| {
            let named = argument.split_once('=').ok_or_else(|| ErrorReply::invalid("An argument has no name."))?;
            Ok((named.0.trim().to_owned(), Literal::parse(named.1.trim())?))
        })
        .collect()
}

fn split_outside_quotes(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(|c| {
        quoted ^= c == '\'';
        c == ',' && !quoted
    })
    .collect()
}

fn decode(text: &str) -> Result<String, ErrorReply> {
    let decoded = percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| ErrorReply::invalid("The address is not UTF-8."))
}

/// The query options.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    pub(super) fn parse(query: &str) -> Result<Self, ErrorReply> {
        let mut options: Vec<(String, String)> = Vec::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            // A plus sign is a space in a query, but not in a path.
            let (name, value) = (decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?);
            if options.iter().any(|(known, _)| *known == name) {
                return Err(ErrorReply::invalid("A query option is given twice."));
            }
            options.push((name, value));
        }
        Ok(Self(options))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(option, _)| option == name).map(|(_, value)| value.as_str())
    }

    /// Rejects system options that an operation does not support.
    pub(super) fn allow_only(&self, system_options: &[&str]) -> Result<(), ErrorReply> {
        let unknown = self.0.iter().find(|(name, _)| name.starts_with('$') && !system_options.contains(&name.as_str()));
        unknown.map_or(Ok(()), |_| Err(ErrorReply::invalid("A query option is not supported here.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(path: &str) -> Result<Segment, ErrorReply> {
        Path::parse(path).unwrap().map(|mut path| path.0.remove(0))
    }

    #[test]
    fn keys_are_unquoted_and_decoded() {
        for (path, key) in [
            ("/Commerce/Customers('1002')", "1002"),
            ("//Commerce/Customers('O''Brien')", "O'Brien"),
            ("/Commerce/Customers(%27O%27%27Brien%27)", "O'Brien"),
            ("/Commerce/Carts('a%2Fb+c%20(d)')", "a/b+c (d)"),
            ("/Commerce/Carts('''')", "'"),
            ("/Commerce/Carts('a=b,c')", "a=b,c"),
        ] {
            assert_eq!(segment(path).unwrap().key(), Some(key), "{path}");
        }
        for path in ["/Commerce/Carts('a'b')", "/Commerce/Carts('a", "/Commerce/Carts('a)", "/Commerce/Carts(%FF)"] {
            assert!(segment(path).is_err(), "{path}");
        }
        assert!(Path::parse("/Elsewhere/Carts('1')").is_none());
    }

    #[test]
    fn arguments_may_be_in_the_path_or_in_an_alias() {
        let query = Query::parse("@p1='it''s%2B1'&api-version=7.3").unwrap();
        let found = segment("/Commerce/F(transactionId=@p1,searchLocationValue=1,other='a,b')").unwrap();
        assert_eq!(found.argument("transactionId", &query), Ok(Literal::Text("it's+1".into())));
        assert_eq!(found.argument("searchLocationValue", &query), Ok(Literal::Number(1)));
        assert_eq!(found.argument("other", &query), Ok(Literal::Text("a,b".into())));
        assert!(found.argument("missing", &query).is_err());
        assert!(found.argument("transactionId", &Query::parse("").unwrap()).is_err());
        assert!(Query::parse("a=1&a=2").is_err());
    }
}
