//! The query language of Cosmos DB for NoSQL, as far as the product, a runbook and a person at a query window use it.
//! What is not understood is an error, never an empty result.

mod ast;
mod conditions;
mod eval;
mod functions;
mod lexer;
mod parser;
mod plan;
mod run;
mod value;

use std::ops::Range;

use serde_json::json;

pub(super) use ast::Query;
pub(super) use conditions::{Condition, KeyRange};
pub(super) use parser::{Parameters, parse, parse_condition};
pub(super) use run::{Candidate, Page, Position};
pub(super) use value::order;

/// Why a query is refused, as the service reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct QueryError {
    code: &'static str,
    message: String,
    span: Range<usize>,
}

impl QueryError {
    fn at(span: Range<usize>, code: &'static str, message: String) -> Self {
        Self { code, message, span }
    }

    fn syntax(text: &str, span: Range<usize>) -> Self {
        let near = text.get(span.clone()).filter(|near| !near.is_empty()).unwrap_or("end of query");
        let message = format!("Syntax error, incorrect syntax near '{near}'.");
        Self { code: "SC1001", message, span }
    }

    /// The list of errors that the service puts into the message of its reply.
    pub(super) fn to_message(&self) -> String {
        let Self { code, message, span } = self;
        let location = json!({ "start": span.start, "end": span.end });
        let error = json!({ "severity": "Error", "location": location, "code": code, "message": message });
        json!({ "errors": [error] }).to_string()
    }
}

#[cfg(test)]
mod tests;
