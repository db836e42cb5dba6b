//! The error of the benchmark.

/// Anything that prevents a result.
pub(crate) type Failure = Box<dyn std::error::Error>;
