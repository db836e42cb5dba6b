//! `sync-contacts` against the sandbox's Dataverse, through real HTTP.

mod agreement;
mod kill;
mod rules;
mod runs;
mod town;
mod trouble;
