//! A query after parsing. Parameters have been replaced by their values.

use std::ops::Range;

use serde_json::Value;

/// A whole query.
#[derive(Clone, Debug)]
pub(in crate::cosmos) struct Query {
    /// The text that the spans refer to.
    pub(super) text: String,
    pub(super) select: Select,
    pub(super) from: Option<From>,
    pub(super) filter: Option<Spanned>,
    pub(super) group_by: Vec<Spanned>,
    pub(super) order_by: Vec<SortKey>,
    pub(super) window: Option<Window>,
}

/// An expression and the bytes of the text that it came from.
#[derive(Clone, Debug)]
pub(super) struct Spanned {
    pub(super) expr: Expr,
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct Select {
    pub(super) distinct: bool,
    pub(super) top: Option<usize>,
    pub(super) projection: Projection,
}

#[derive(Clone, Debug)]
pub(super) enum Projection {
    /// `SELECT *`
    All,
    /// `SELECT VALUE x`
    Value(Spanned),
    /// `SELECT a, b AS c`: the property names of the result and their expressions.
    List(Vec<(String, Spanned)>),
}

/// `FROM c`, `FROM x IN c.items` and what is joined to it.
#[derive(Clone, Debug)]
pub(super) struct From {
    /// The name by which expressions refer to the item.
    pub(super) alias: String,
    /// Whether the items themselves are one of the sets: not for `FROM x IN c.items`.
    pub(super) has_items: bool,
    /// `IN` and `JOIN … IN`: an alias for each element of an array.
    pub(super) iterations: Vec<(String, Expr)>,
    /// The clause with its keyword.
    pub(super) span: Range<usize>,
}

#[derive(Clone, Debug)]
pub(super) struct SortKey {
    pub(super) key: Spanned,
    pub(super) descending: bool,
}

/// `OFFSET x LIMIT y`
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) offset: usize,
    pub(super) limit: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Literal(Value),
    Undefined,
    /// An alias of the `FROM` clause.
    Alias(String),
    /// `x.name` and `x["name"]`
    Property(Box<Expr>, String),
    /// `x[0]` and `x[expression]`
    Index(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    In(Box<Expr>, Vec<Expr>),
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    Like(Box<Expr>, Box<Expr>),
    /// `x ? y : z`
    Conditional(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(super::functions::Function, Vec<Expr>),
    Aggregate(Aggregate, Box<Expr>),
    Array(Vec<Expr>),
    Object(Vec<(String, Expr)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BinaryOp {
    Or,
    And,
    Coalesce,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    Count,
    Sum,
    Min,
    Max,
    Average,
}

impl Expr {
    /// The expressions that this one is made of.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Literal(_) | Self::Undefined | Self::Alias(_) => Vec::new(),
            Self::Property(inner, _) | Self::Not(inner) | Self::Negate(inner) | Self::Aggregate(_, inner) => {
                vec![inner]
            }
            Self::Index(a, b) | Self::Binary(_, a, b) | Self::Like(a, b) => vec![a, b],
            Self::Between(a, b, c) | Self::Conditional(a, b, c) => vec![a, b, c],
            Self::In(first, rest) => std::iter::once(&**first).chain(rest).collect(),
            Self::Call(_, list) | Self::Array(list) => list.iter().collect(),
            Self::Object(fields) => fields.iter().map(|(_, field)| field).collect(),
        }
    }

    /// Whether the expression needs a group of rows.
    pub(super) fn has_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(..)) || self.children().into_iter().any(Self::has_aggregate)
    }

    /// The property names from the alias to here, if this is a plain path: `c.a["b"]`.
    pub(super) fn path(&self) -> Option<Vec<&str>> {
        match self {
            Self::Alias(_) => Some(Vec::new()),
            Self::Property(inner, name) => {
                let mut path = inner.path()?;
                path.push(name);
                Some(path)
            }
            _ => None,
        }
    }
}

impl Query {
    /// The text of a part of the query.
    pub(super) fn source(&self, span: &Range<usize>) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    /// Whether the result is one value for each group of rows.
    pub(super) fn is_grouped(&self) -> bool {
        let aggregates = match &self.select.projection {
            Projection::All => false,
            Projection::Value(value) => value.expr.has_aggregate(),
            Projection::List(list) => list.iter().any(|(_, value)| value.expr.has_aggregate()),
        };
        aggregates || !self.group_by.is_empty()
    }
}
