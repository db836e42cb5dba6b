//! Prints results. A closed output ends the program quietly.

use std::io::{ErrorKind, Write as _};
use std::process::exit;

/// What a shell reports for a program that writes to a closed pipe: 128 and the number of the signal PIPE.
const CLOSED_OUTPUT: i32 = 141;

/// Prints a result to standard output.
pub(crate) fn print(text: &str) {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // `commerce-journeys find … | head -1`
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit(CLOSED_OUTPUT),
        Err(error) => {
            complain(&format!("the output cannot be written: {error}"));
            exit(1);
        }
        Ok(()) => {}
    }
}

/// Prints a problem to standard error. If nobody can read it, the exit status still tells.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
