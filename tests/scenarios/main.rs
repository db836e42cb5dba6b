//! Scenarios: the function app among its dependencies, through real HTTP and in simulated time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod bad_events;
mod check;
mod check_event_types;
mod command_line;
mod commerce;
mod contact_states;
mod contacts;
mod contracts;
mod corpus;
mod crash_points;
mod customers;
mod dataverse_replies;
mod environment;
mod event_types;
mod expired_records;
mod failure_paths;
mod follow_up;
mod host;
mod instances;
mod interleavings;
mod journeys_overlay;
mod leaks;
mod log;
mod lost_messages;
mod operator;
mod outages;
mod pipeline;
mod process;
mod random;
mod reference_failures;
mod refused_events;
mod request_kind;
mod retries;
mod runbook;
mod script;
mod single_faults;
mod telemetry;
mod traces;
mod trigger_journey;
mod upgrade;
mod wrong_settings;
