//! Expressions. The methods go from the operators that bind least to those that bind most.

use serde_json::Value;

use super::super::QueryError;
use super::super::ast::{Aggregate, BinaryOp, Expr};
use super::super::functions;
use super::super::lexer::TokenKind;
use super::Parser;

type Parsed = Result<Expr, QueryError>;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Parsed {
        let condition = self.coalesced()?;
        if !self.symbol("?") {
            return Ok(condition);
        }
        let then = self.expression()?;
        self.expect_symbol(":")?;
        let otherwise = self.expression()?;
        Ok(Expr::Conditional(condition.into(), then.into(), otherwise.into()))
    }

    fn coalesced(&mut self) -> Parsed {
        let mut left = self.alternatives()?;
        while self.symbol("??") {
            left = binary(BinaryOp::Coalesce, left, self.alternatives()?);
        }
        Ok(left)
    }

    fn alternatives(&mut self) -> Parsed {
        let mut left = self.conjunction()?;
        while self.keyword("OR") {
            left = binary(BinaryOp::Or, left, self.conjunction()?);
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Parsed {
        let mut left = self.negation()?;
        while self.keyword("AND") {
            left = binary(BinaryOp::And, left, self.negation()?);
        }
        Ok(left)
    }

    fn negation(&mut self) -> Parsed {
        if self.keyword("NOT") { Ok(not(self.negation()?)) } else { self.comparison() }
    }

    fn comparison(&mut self) -> Parsed {
        const OPERATORS: [(&str, BinaryOp); 7] = [
            ("=", BinaryOp::Equal),
            ("!=", BinaryOp::NotEqual),
            ("<>", BinaryOp::NotEqual),
            ("<=", BinaryOp::LessOrEqual),
            (">=", BinaryOp::GreaterOrEqual),
            ("<", BinaryOp::Less),
            (">", BinaryOp::Greater),
        ];
        let mut left = self.concatenation()?;
        loop {
            let negated = self.keyword("NOT");
            let tested = if self.keyword("IN") {
                self.expect_symbol("(")?;
                let list = self.list(Self::expression)?;
                self.expect_symbol(")")?;
                Expr::In(left.into(), list)
            } else if self.keyword("BETWEEN") {
                let low = self.concatenation()?;
                self.expect_keyword("AND")?;
                Expr::Between(left.into(), low.into(), self.concatenation()?.into())
            } else if self.keyword("LIKE") {
                Expr::Like(left.into(), self.concatenation()?.into())
            } else if negated {
                return Err(self.unexpected());
            } else if let Some((_, operator)) = OPERATORS.iter().find(|(symbol, _)| self.symbol(symbol)) {
                binary(*operator, left, self.concatenation()?)
            } else {
                return Ok(left);
            };
            left = if negated { not(tested) } else { tested };
        }
    }

    fn concatenation(&mut self) -> Parsed {
        self.chain(&[("||", BinaryOp::Concat)], Self::sum)
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&[("+", BinaryOp::Add), ("-", BinaryOp::Subtract)], Self::product)
    }

    fn product(&mut self) -> Parsed {
        let operators = [("*", BinaryOp::Multiply), ("/", BinaryOp::Divide), ("%", BinaryOp::Modulo)];
        self.chain(&operators, Self::signed)
    }

    /// Operators of one precedence, from left to right.
    fn chain(&mut self, operators: &[(&str, BinaryOp)], operand: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = operand(self)?;
        while let Some((_, operator)) = operators.iter().find(|(symbol, _)| self.symbol(symbol)) {
            left = binary(*operator, left, operand(self)?);
        }
        Ok(left)
    }

    fn signed(&mut self) -> Parsed {
        if self.symbol("-") {
            return Ok(Expr::Negate(self.signed()?.into()));
        }
        self.symbol("+");
        self.path()
    }

    /// A primary expression and the properties that are taken of it.
    pub(super) fn path(&mut self) -> Parsed {
        let mut expr = self.primary()?;
        loop {
            if self.symbol(".") {
                let Some(TokenKind::Word(name)) = self.peek() else { return Err(self.unexpected()) };
                expr = Expr::Property(expr.into(), name.clone());
                self.at += 1;
            } else if self.symbol("[") {
                expr = match self.expression()? {
                    Expr::Literal(Value::String(name)) => Expr::Property(expr.into(), name),
                    index => Expr::Index(expr.into(), index.into()),
                };
                self.expect_symbol("]")?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        let literal = match self.peek() {
            Some(TokenKind::Text(text)) => Expr::Literal(Value::String(text.clone())),
            Some(TokenKind::Number(number)) => Expr::Literal(Value::Number(number.clone())),
            Some(TokenKind::Parameter(name)) => self.parameter(name)?,
            Some(TokenKind::Word(word)) => match constant(word) {
                Some(constant) => constant,
                None => return self.named(),
            },
            _ => return self.enclosed(),
        };
        self.at += 1;
        Ok(literal)
    }

    /// An alias or a function call.
    fn named(&mut self) -> Parsed {
        let first = self.at;
        let name = self.name()?;
        if !self.symbol("(") {
            return Ok(Expr::Alias(name));
        }
        let arguments = if self.symbol(")") {
            Vec::new()
        } else {
            self.list(Self::expression).and_then(|list| self.closed(list))?
        };
        let span = self.span_from(first);
        if let (Some(aggregate), [argument]) = (aggregate(&name), arguments.as_slice()) {
            return Ok(Expr::Aggregate(aggregate, argument.clone().into()));
        }
        let Some(function) = functions::find(&name) else {
            let message = format!("'{name}' is not a recognized built-in function name.");
            return Err(QueryError::at(span, "SC2005", message));
        };
        if !function.takes(arguments.len()) {
            let message = format!("The {name} function does not take {} argument(s).", arguments.len());
            return Err(QueryError::at(span, "SC2050", message));
        }
        Ok(Expr::Call(function, arguments))
    }

    fn closed<T>(&mut self, inner: T) -> Result<T, QueryError> {
        self.expect_symbol(")").map(|()| inner)
    }

    /// What is written in brackets: `(…)`, `[…]` or `{…}`.
    fn enclosed(&mut self) -> Parsed {
        if self.symbol("(") {
            let inner = self.expression()?;
            return self.closed(inner);
        }
        if self.symbol("[") {
            let elements =
                if self.symbol("]") { return Ok(Expr::Array(Vec::new())) } else { self.list(Self::expression)? };
            self.expect_symbol("]")?;
            return Ok(Expr::Array(elements));
        }
        self.expect_symbol("{")?;
        if self.symbol("}") {
            return Ok(Expr::Object(Vec::new()));
        }
        let fields = self.list(|parser| {
            let name = match parser.peek() {
                Some(TokenKind::Text(name) | TokenKind::Word(name)) => name.clone(),
                _ => return Err(parser.unexpected()),
            };
            parser.at += 1;
            parser.expect_symbol(":")?;
            Ok((name, parser.expression()?))
        })?;
        self.expect_symbol("}")?;
        Ok(Expr::Object(fields))
    }
}

fn constant(word: &str) -> Option<Expr> {
    match word.to_ascii_lowercase().as_str() {
        "true" => Some(Expr::Literal(Value::Bool(true))),
        "false" => Some(Expr::Literal(Value::Bool(false))),
        "null" => Some(Expr::Literal(Value::Null)),
        "undefined" => Some(Expr::Undefined),
        _ => None,
    }
}

fn aggregate(name: &str) -> Option<Aggregate> {
    match name.to_ascii_uppercase().as_str() {
        "COUNT" => Some(Aggregate::Count),
        "SUM" => Some(Aggregate::Sum),
        "MIN" => Some(Aggregate::Min),
        "MAX" => Some(Aggregate::Max),
        "AVG" => Some(Aggregate::Average),
        _ => None,
    }
}

fn binary(operator: BinaryOp, left: Expr, right: Expr) -> Expr {
    Expr::Binary(operator, left.into(), right.into())
}

fn not(inner: Expr) -> Expr {
    Expr::Not(inner.into())
}
