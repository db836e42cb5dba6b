//! Everything around Commerce Journeys, on one machine and with no account anywhere.

pub mod audit;
pub mod auth;
pub mod clock;
pub mod cosmos;
pub mod csu;
pub mod dataverse;
pub mod entra;
pub mod environment;
pub mod faults;
pub mod host;
pub mod network;
pub mod page;
pub mod service_bus;
pub mod shop;
pub mod stage;
mod urlencoded;
