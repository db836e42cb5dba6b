//! What goes wrong when the customers and orders of a Commerce export are prepared with the notebook that is commonly shown for
//! it, one test for each fault: data on which that notebook fails, and what is published instead.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod carts;
mod change_folders;
mod change_lake;
mod companies;
mod customers;
mod erasure;
mod exchange_rates;
mod hard_deletes;
mod lake;
mod loyalty;
mod metrics;
mod orders;
mod overlay;
mod payments;
mod products;
mod publishing;
mod repeating;
mod stores;
mod test_sql;
mod values;
