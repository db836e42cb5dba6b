//! `$filter`: comparisons of columns with literals, joined by `and`, `or`, `not` and parentheses.

use std::cmp::Ordering;

use chrono::{DateTime, Utc};

use super::error::{self, ODataError};
use super::lexer::{Token, tokens};
use super::payload::guid;
use super::rows::{Row, Value};
use super::schema::{Column, Kind, Table};

/// Deeper nesting is rejected, like in the real parser.
const MAX_DEPTH: usize = 100;

/// More conditions are rejected (`TooManyConditionsInQuery`).
const MAX_CONDITIONS: usize = 500;

/// A condition on a row.
#[derive(Debug)]
pub(super) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// `None` is null.
    Compare(&'static Column, Comparison, Option<Value>),
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Filter {
    /// Parses a filter on `table` from its decoded text.
    pub(super) fn parse(table: Table, dual_write: bool, text: &str) -> Result<Self, ODataError> {
        let mut parser = Parser { table, dual_write, text, tokens: tokens(text)?, next: 0, depth: 0, conditions: 0 };
        let filter = parser.or()?;
        if parser.next < parser.tokens.len() { Err(parser.unexpected()) } else { Ok(filter) }
    }

    /// Whether a row matches the condition. Only null equals null, and null is neither less nor greater.
    pub(super) fn matches(&self, row: &Row) -> bool {
        match self {
            Self::And(a, b) => a.matches(row) && b.matches(row),
            Self::Or(a, b) => a.matches(row) || b.matches(row),
            Self::Not(filter) => !filter.matches(row),
            Self::Compare(column, comparison, literal) => match (row.get(column.name), literal) {
                (Some(value), Some(literal)) => value.compare(literal).is_some_and(|order| comparison.holds(order)),
                (None, None) => *comparison == Comparison::Eq,
                _ => *comparison == Comparison::Ne,
            },
        }
    }
}

impl Comparison {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
        }
    }
}

struct Parser<'a> {
    table: Table,
    dual_write: bool,
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
    conditions: usize,
}

impl Parser<'_> {
    fn or(&mut self) -> Result<Filter, ODataError> {
        let mut left = self.and()?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Filter, ODataError> {
        let mut left = self.term()?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.term()?));
        }
        Ok(left)
    }

    fn term(&mut self) -> Result<Filter, ODataError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ODataError::syntax("The recursion limit of the filter has been exceeded."));
        }
        let term = if self.take_word("not") {
            Filter::Not(Box::new(self.term()?))
        } else if self.take(&Token::Open) {
            let inner = self.or()?;
            if !self.take(&Token::Close) {
                return Err(self.unexpected());
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(term)
    }

    fn comparison(&mut self) -> Result<Filter, ODataError> {
        let Some(Token::Word(name)) = self.peek().cloned() else { return Err(self.unexpected()) };
        self.next += 1;
        if self.peek() == Some(&Token::Open) {
            return Err(ODataError::not_here(&format!("The filter function '{name}'")));
        }
        let column = self.table.column(&name, self.dual_write);
        let column = column.ok_or_else(|| ODataError::unknown_property(&name, self.table.logical()))?;
        let Some(Token::Word(word)) = self.peek() else { return Err(self.unexpected()) };
        let Some(comparison) = Comparison::named(word) else { return Err(self.unexpected()) };
        self.next += 1;
        let Some(literal) = self.peek().cloned() else { return Err(self.unexpected()) };
        let literal = self.literal(column, &literal)?;
        self.next += 1;
        self.conditions += 1;
        if self.conditions > MAX_CONDITIONS {
            let message = "Number of conditions in query exceeded maximum limit.";
            return Err(ODataError::bad_request(error::CONDITIONS, message));
        }
        Ok(Filter::Compare(column, comparison, literal))
    }

    fn literal(&self, column: &Column, token: &Token) -> Result<Option<Value>, ODataError> {
        let value = match (column.kind, token) {
            (_, Token::Word(word)) if word == "null" => return Ok(None),
            (Kind::Text(_), Token::Text(text)) => Some(Value::Text(text.clone())),
            // OData does not allow a quoted GUID, but Dataverse accepts it and the reference solution sends it.
            (Kind::Key | Kind::Lookup { .. }, Token::Word(text) | Token::Text(text)) => guid(text).map(Value::Id),
            (Kind::Bool, Token::Word(word)) => word.parse().ok().map(Value::Bool),
            (Kind::Int, Token::Word(word)) => word.parse().ok().map(Value::Int),
            (Kind::Time, Token::Word(word)) => instant(word).map(Value::Time),
            (_, Token::Open | Token::Close) => return Err(self.unexpected()),
            _ => None,
        };
        match value {
            Some(value) => Ok(Some(value)),
            None => Err(ODataError::syntax(format!(
                "A binary operator with incompatible types was detected: '{}' is of type '{}'.",
                column.name,
                column.kind.edm()
            ))),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        self.take(&Token::Word(word.to_owned()))
    }

    fn unexpected(&self) -> ODataError {
        let position = self.tokens.get(self.next).map_or(self.text.chars().count(), |(position, _)| *position);
        ODataError::syntax(format!("Syntax error at position {position} in '{}'.", self.text))
    }
}

fn instant(word: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(word).ok().map(|time| time.to_utc())
}
