//! The structure of `host.json`.

use std::time::Duration;

use serde::Deserialize;

use super::app_error::AppError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HostJson {
    pub(super) version: Option<String>,
    pub(super) function_timeout: Option<String>,
    pub(super) custom_handler: Option<CustomHandler>,
    pub(super) extension_bundle: Option<ExtensionBundle>,
    #[serde(default)]
    pub(super) extensions: Extensions,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CustomHandler {
    pub(super) description: Description,
    #[serde(default)]
    pub(super) enable_forwarding_http_request: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Description {
    #[serde(default)]
    pub(super) default_executable_path: String,
    #[serde(default)]
    pub(super) arguments: Vec<String>,
    #[serde(default)]
    pub(super) working_directory: String,
}

#[derive(Deserialize)]
pub(super) struct ExtensionBundle {
    pub(super) id: String,
    pub(super) version: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Extensions {
    pub(super) service_bus: ServiceBus,
    pub(super) http: Http,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ServiceBus {
    pub(super) max_concurrent_calls: Option<usize>,
    pub(super) max_auto_lock_renewal_duration: String,
    pub(super) auto_complete_messages: bool,
}

impl Default for ServiceBus {
    fn default() -> Self {
        Self {
            max_concurrent_calls: None,
            max_auto_lock_renewal_duration: "00:05:00".to_owned(),
            auto_complete_messages: true,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Http {
    pub(super) route_prefix: String,
}

impl Default for Http {
    fn default() -> Self {
        Self { route_prefix: "api".to_owned() }
    }
}

/// `-1` means no time-out. Without a value, the default of all plans except Consumption is used.
pub(super) fn function_timeout(text: Option<&str>) -> Result<Option<Duration>, AppError> {
    match text {
        Some("-1") => Ok(None),
        Some(text) => duration(text).map(Some),
        None => Ok(Some(Duration::from_secs(30 * 60))),
    }
}

/// `[d.]hh:mm:ss`.
pub(super) fn duration(text: &str) -> Result<Duration, AppError> {
    parse_duration(text).ok_or_else(|| AppError::Host(format!("'{text}' is not a duration [d.]hh:mm:ss")))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let (days, time) = text.split_once('.').unwrap_or(("0", text));
    let mut parts = time.split(':').map(str::parse::<u64>);
    let (hours, minutes, seconds) = (parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
    let in_range = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    let days: u64 = days.parse().ok()?;
    in_range.then(|| Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_format_of_the_host() {
        assert_eq!(parse_duration("00:05:00"), Some(Duration::from_secs(300)));
        assert_eq!(parse_duration("1.00:00:10"), Some(Duration::from_secs(86_410)));
        assert_eq!(parse_duration("00:60:00"), None);
        assert_eq!(parse_duration("5"), None);
    }
}
