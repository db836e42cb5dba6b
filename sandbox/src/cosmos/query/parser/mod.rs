//! Parses queries: <https://learn.microsoft.com/azure/cosmos-db/nosql/query/select>.

mod clauses;
mod expressions;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::QueryError;
use super::ast::{Expr, Query};
use super::lexer::{Token, TokenKind, tokens};

/// Values of the parameters by name, with their `@`.
pub(in crate::cosmos) type Parameters = BTreeMap<String, Value>;

/// Words that are never names of aliases.
const RESERVED: [&str; 24] = [
    "SELECT",
    "FROM",
    "WHERE",
    "ORDER",
    "BY",
    "GROUP",
    "OFFSET",
    "LIMIT",
    "TOP",
    "VALUE",
    "DISTINCT",
    "AS",
    "IN",
    "AND",
    "OR",
    "NOT",
    "BETWEEN",
    "LIKE",
    "JOIN",
    "EXISTS",
    "ASC",
    "DESC",
    "ESCAPE",
    "UNDEFINED",
];

/// Parses a query with its parameters.
pub(in crate::cosmos) fn parse(text: &str, parameters: &Parameters) -> Result<Query, QueryError> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, parameters };
    let query = parser.query()?;
    query.check_aliases()?;
    Ok(query)
}

/// Parses the condition of a patch, `FROM c WHERE c.x = 1`, as a query that returns the item if it is met.
pub(in crate::cosmos) fn parse_condition(text: &str) -> Result<Query, QueryError> {
    let query = parse(&format!("SELECT * {text}"), &Parameters::new())?;
    if query.filter.is_none() || query.is_grouped() || !query.order_by.is_empty() {
        return Err(QueryError::syntax(text, 0..text.len()));
    }
    Ok(query)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    parameters: &'a Parameters,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&TokenKind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    /// Takes a keyword if it comes next.
    fn keyword(&mut self, keyword: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case(keyword));
        self.at += usize::from(found);
        found
    }

    /// Takes a symbol if it comes next.
    fn symbol(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(TokenKind::Symbol(next)) if *next == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect_keyword(&mut self, keyword: &str) -> Result<(), QueryError> {
        if self.keyword(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_symbol(&mut self, symbol: &str) -> Result<(), QueryError> {
        if self.symbol(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    /// Takes a name that is not a reserved word.
    fn name(&mut self) -> Result<String, QueryError> {
        match self.peek() {
            Some(TokenKind::Word(word)) if !RESERVED.iter().any(|it| word.eq_ignore_ascii_case(it)) => {
                let name = word.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected()),
        }
    }

    /// An error at the next token.
    fn unexpected(&self) -> QueryError {
        let end = self.text.len();
        QueryError::syntax(self.text, self.tokens.get(self.at).map_or(end..end, |token| token.span.clone()))
    }

    /// The bytes from the token `first` up to what has been taken.
    fn span_from(&self, first: usize) -> Range<usize> {
        let start = self.tokens.get(first).map_or(self.text.len(), |token| token.span.start);
        let end = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(start, |token| token.span.end);
        start..end.max(start)
    }

    fn parameter(&self, name: &str) -> Result<Expr, QueryError> {
        let value = self.parameters.get(name).cloned();
        value.map(Expr::Literal).ok_or_else(|| {
            QueryError::at(self.tokens.get(self.at).map_or(0..0, |token| token.span.clone()), "SC2071", {
                format!("The query uses the parameter '{name}', but no value was supplied for it.")
            })
        })
    }
}
