//! What is printed. A closed output ends the program quietly.

use std::io::{ErrorKind, Write as _};

use super::Failure;

/// Nobody reads the output any more.
#[derive(Debug, thiserror::Error)]
#[error("the output is closed")]
pub(crate) struct OutputClosed;

impl OutputClosed {
    /// What a shell reports for a program that writes to a closed pipe: 128 and the number of the signal PIPE.
    pub(crate) const STATUS: u8 = 141;
}

/// Prints a result and a new line to standard output.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    let written = writeln!(output, "{text}").and_then(|()| output.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => format!("the output cannot be written: {error}").into(),
    })
}

/// Prints what happens, or a problem, to standard error. If nobody can read it, the run continues.
pub(crate) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
