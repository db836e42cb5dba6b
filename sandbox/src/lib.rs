//! Everything around Commerce Journeys on one machine, without any account.
//!
//! Modules import only from layers further right:
//! `cli` → `page` → `faults` → `environment` → `audit`, `csu`, `app_folder`, `telemetry` → `cosmos`, `dataverse`, `entra`,
//! `host`, `service_bus` → `auth`, `network`, `shop` → `clock`, `urlencoded`. The command line (`cli`) belongs to the binary.

pub mod app_folder;
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
pub mod telemetry;
mod urlencoded;
