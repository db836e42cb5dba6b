//! `prepare-data`: the command.

fn main() {}
