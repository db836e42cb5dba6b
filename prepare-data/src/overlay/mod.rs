//! What an overlay adds: checked before a run reads rows, and joined to the shipped rows.

mod check;
mod empty_session;
mod join;

pub use check::{Additions, check};
pub(crate) use empty_session::empty_session;
pub(crate) use join::{join_own_columns, register_own_columns};
