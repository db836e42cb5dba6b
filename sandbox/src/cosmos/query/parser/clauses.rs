//! The clauses of a query.

use serde_json::Value;

use super::super::QueryError;
use super::super::ast::{Expr, From, Projection, Query, Select, SortKey, Spanned, Window};
use super::super::lexer::TokenKind;
use super::Parser;

impl Parser<'_> {
    pub(super) fn query(&mut self) -> Result<Query, QueryError> {
        let select = self.select()?;
        let from = if self.next_is("FROM") { Some(self.from()?) } else { None };
        let filter = if self.keyword("WHERE") { Some(self.spanned()?) } else { None };
        let group_by = if self.by("GROUP")? { self.list(Self::spanned)? } else { Vec::new() };
        let order_by = if self.by("ORDER")? { self.list(Self::sort_key)? } else { Vec::new() };
        let window = self.window()?;
        self.symbol(";");
        if self.peek().is_some() {
            return Err(self.unexpected());
        }
        Ok(Query { text: self.text.to_owned(), select, from, filter, group_by, order_by, window })
    }

    fn select(&mut self) -> Result<Select, QueryError> {
        self.expect_keyword("SELECT")?;
        let distinct = self.keyword("DISTINCT");
        let top = if self.keyword("TOP") { Some(self.count()?) } else { None };
        let projection = if self.symbol("*") {
            Projection::All
        } else if self.keyword("VALUE") {
            Projection::Value(self.spanned()?)
        } else {
            self.selected()?
        };
        Ok(Select { distinct, top, projection })
    }

    fn selected(&mut self) -> Result<Projection, QueryError> {
        let items = self.list(|parser| {
            let value = parser.spanned()?;
            let is_named = matches!(parser.peek(), Some(TokenKind::Word(word)) if !word.eq_ignore_ascii_case("FROM"));
            let name = if parser.keyword("AS") || is_named { Some(parser.name()?) } else { None };
            Ok((name, value))
        })?;
        let named = items.into_iter().enumerate().map(|(index, (name, value))| {
            let inferred = || match &value.expr {
                Expr::Property(_, name) | Expr::Alias(name) => name.clone(),
                _ => format!("${}", index + 1),
            };
            (name.unwrap_or_else(inferred), value)
        });
        Ok(Projection::List(named.collect()))
    }

    fn from(&mut self) -> Result<From, QueryError> {
        let first = self.at;
        self.expect_keyword("FROM")?;
        let name = self.name()?;
        let mut from = if self.keyword("IN") {
            let source = self.path()?;
            let alias = root(&source).unwrap_or_default();
            From { alias, has_items: false, iterations: vec![(name, source)], span: 0..0 }
        } else {
            let is_named = self.keyword("AS") || matches!(self.peek(), Some(TokenKind::Word(word)) if !is_clause(word));
            let alias = if is_named { self.name()? } else { name };
            From { alias, has_items: true, iterations: Vec::new(), span: 0..0 }
        };
        while self.keyword("JOIN") {
            let name = self.name()?;
            self.expect_keyword("IN")?;
            from.iterations.push((name, self.path()?));
        }
        Ok(From { span: self.span_from(first), ..from })
    }

    fn sort_key(&mut self) -> Result<SortKey, QueryError> {
        let key = self.spanned()?;
        let descending = self.keyword("DESC");
        if !descending {
            self.keyword("ASC");
        }
        Ok(SortKey { key, descending })
    }

    fn window(&mut self) -> Result<Option<Window>, QueryError> {
        if !self.keyword("OFFSET") {
            return Ok(None);
        }
        let offset = self.count()?;
        self.expect_keyword("LIMIT")?;
        Ok(Some(Window { offset, limit: self.count()? }))
    }

    /// A number of items, as a literal or a parameter.
    fn count(&mut self) -> Result<usize, QueryError> {
        let number = match self.peek() {
            Some(TokenKind::Number(number)) => Value::Number(number.clone()),
            Some(TokenKind::Parameter(name)) => match self.parameter(name)? {
                Expr::Literal(value) => value,
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        let count = number.as_u64().and_then(|count| usize::try_from(count).ok()).ok_or_else(|| self.unexpected())?;
        self.at += 1;
        Ok(count)
    }

    pub(super) fn spanned(&mut self) -> Result<Spanned, QueryError> {
        let first = self.at;
        let expr = self.expression()?;
        Ok(Spanned { expr, span: self.span_from(first) })
    }

    /// One or more things with commas between them.
    pub(super) fn list<T>(&mut self, one: impl Fn(&mut Self) -> Result<T, QueryError>) -> Result<Vec<T>, QueryError> {
        let mut list = vec![one(self)?];
        while self.symbol(",") {
            list.push(one(self)?);
        }
        Ok(list)
    }

    fn next_is(&self, keyword: &str) -> bool {
        matches!(self.peek(), Some(TokenKind::Word(word)) if word.eq_ignore_ascii_case(keyword))
    }

    /// Takes `GROUP BY` or `ORDER BY`.
    fn by(&mut self, keyword: &str) -> Result<bool, QueryError> {
        let found = self.keyword(keyword);
        if found {
            self.expect_keyword("BY")?;
        }
        Ok(found)
    }
}

fn is_clause(word: &str) -> bool {
    ["WHERE", "GROUP", "ORDER", "OFFSET", "JOIN", "IN"].iter().any(|clause| word.eq_ignore_ascii_case(clause))
}

fn root(path: &Expr) -> Option<String> {
    match path {
        Expr::Alias(name) => Some(name.clone()),
        Expr::Property(inner, _) | Expr::Index(inner, _) => root(inner),
        _ => None,
    }
}

impl Query {
    /// Names in expressions must be aliases of the `FROM` clause.
    pub(super) fn check_aliases(&self) -> Result<(), QueryError> {
        let mut aliases = Vec::new();
        if let Some(from) = &self.from {
            aliases.push(from.alias.as_str());
            for (alias, source) in &from.iterations {
                check(source, &aliases, &from.span)?;
                aliases.push(alias);
            }
        }
        let projected: Vec<&Spanned> = match &self.select.projection {
            Projection::All => Vec::new(),
            Projection::Value(value) => vec![value],
            Projection::List(list) => list.iter().map(|(_, value)| value).collect(),
        };
        let keys = self.order_by.iter().map(|sort| &sort.key);
        let all = projected.into_iter().chain(&self.filter).chain(&self.group_by).chain(keys);
        for Spanned { expr, span } in all {
            check(expr, &aliases, span)?;
        }
        let sets = |from: &From| from.iterations.len() + usize::from(from.has_items);
        let is_one_set = self.from.as_ref().is_some_and(|from| sets(from) == 1);
        if matches!(self.select.projection, Projection::All) && (!is_one_set || self.is_grouped()) {
            let message = "'SELECT *' is only valid with a single input set.".to_owned();
            return Err(QueryError::at(0..self.text.len(), "SC2040", message));
        }
        Ok(())
    }
}

fn check(expr: &Expr, aliases: &[&str], span: &std::ops::Range<usize>) -> Result<(), QueryError> {
    if let Expr::Alias(name) = expr
        && !aliases.contains(&name.as_str())
    {
        let message = format!("Identifier '{name}' could not be resolved.");
        return Err(QueryError::at(span.clone(), "SC2001", message));
    }
    expr.children().into_iter().try_for_each(|child| check(child, aliases, span))
}
