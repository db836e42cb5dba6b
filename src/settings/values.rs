//! Parsers for the values of settings.

use std::time::Duration;

use azure_core::credentials::Secret;
use croner::Cron;
use croner::parser::{CronParser, Seconds};
use reqwest::Url;

/// Whether the value is or contains a reference that the platform should have replaced by a secret or a configuration value.
pub fn is_unresolved_reference(value: &str) -> bool {
    let value = value.to_ascii_lowercase();
    ["@microsoft.keyvault(", "@microsoft.appconfiguration("].iter().any(|reference| value.contains(reference))
}

/// Parses a duration in the format of the Functions host: `[d.]hh:mm:ss`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (days, time) = match text.split_once('.') {
        Some((days, time)) => (digits(days)?, time),
        None => (0, text),
    };
    let mut parts = time.split(':');
    let (hours, minutes, seconds) = (digits(parts.next()?)?, digits(parts.next()?)?, digits(parts.next()?)?);
    let in_range = parts.next().is_none() && hours < 24 && minutes < 60 && seconds < 60;
    in_range.then(|| Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds))
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Parses an NCRONTAB expression like the timer trigger: six fields, and a day must match both the day of the month and the
/// day of the week.
pub(super) fn parse_schedule(text: &str) -> Result<Box<Cron>, &'static str> {
    const PROBLEM: &str = "is not an NCRONTAB expression of six fields, such as */20 * * * * *";
    if text.split_whitespace().count() != 6 {
        return Err(PROBLEM);
    }
    let parser = CronParser::builder().seconds(Seconds::Required).dom_and_dow(true).sloppy_ranges(true).build();
    parser.parse(text).map(Box::new).map_err(|_| PROBLEM)
}

/// Parses a URL and adds a trailing slash. Plain `http` is accepted for loopback addresses only.
pub(super) fn parse_endpoint(text: &str) -> Result<Url, &'static str> {
    let mut url = Url::parse(text).map_err(|_| "is not a URL")?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("must be https:// (plain http:// is accepted for loopback addresses only)"),
        _ => return Err("must be an https:// URL"),
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err("must not contain a user, a password or a query");
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// The address of Service Bus and the credential for it.
#[derive(Clone, Debug)]
pub enum BusCredential {
    /// A shared access key from a connection string.
    SharedKey {
        /// `https://<namespace>/`, or the loopback address of an emulator.
        endpoint: Url,
        /// The name of the policy.
        key_name: String,
        /// The key.
        key: Secret,
    },
    /// Entra tokens.
    Identity {
        /// `https://<namespace>/`.
        endpoint: Url,
    },
}

impl BusCredential {
    /// The namespace's address, with a trailing slash.
    pub fn endpoint(&self) -> &Url {
        match self {
            Self::SharedKey { endpoint, .. } | Self::Identity { endpoint } => endpoint,
        }
    }

    /// Parses a connection string. Errors never quote it, because it contains a key.
    pub(super) fn parse(connection_string: &str) -> Result<Self, &'static str> {
        let field = |name: &str| {
            connection_string.split(';').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let endpoint = field("Endpoint").ok_or("has no Endpoint=sb://...")?;
        let host = endpoint.strip_prefix("sb://").ok_or("must have an Endpoint that begins with sb://")?;
        let is_emulator = field("UseDevelopmentEmulator").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let scheme = if is_emulator { "http" } else { "https" };
        let endpoint = parse_endpoint(&format!("{scheme}://{host}"))?;
        if is_emulator && !is_loopback(&endpoint) {
            return Err("has UseDevelopmentEmulator=true with an address that is not a loopback address");
        }
        let key_name = field("SharedAccessKeyName").ok_or("has no SharedAccessKeyName")?;
        let key = field("SharedAccessKey").ok_or("has no SharedAccessKey")?;
        Ok(Self::SharedKey { endpoint, key_name: key_name.to_owned(), key: Secret::new(key.to_owned()) })
    }

    pub(super) fn namespace(host: &str) -> Result<Self, &'static str> {
        let is_host_name = !host.contains("//") && !host.contains('/');
        let endpoint = if is_host_name {
            parse_endpoint(&format!("https://{host}"))?
        } else {
            return Err("must be a host name such as contoso.servicebus.windows.net");
        };
        Ok(Self::Identity { endpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_format_of_the_functions_host() {
        let seconds = |text| parse_duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("00:02:00"), Some(120));
        assert_eq!(seconds("1.00:00:00"), Some(86_400));
        assert_eq!(seconds("90.12:30:05"), Some(90 * 86_400 + 12 * 3600 + 30 * 60 + 5));
        for wrong in ["", "120", "00:60:00", "24:00:00", "1.0", "-1.00:00:00", "00:00:00:00", "00:00:0x"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn schedules_have_six_fields() {
        assert!(parse_schedule("*/20 * * * * *").is_ok());
        assert!(parse_schedule("0 30 9 * * Mon-Fri").is_ok());
        for wrong in ["", "*/20 * * * *", "00:00:20", "x * * * * *", "99 * * * * *"] {
            assert!(parse_schedule(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        assert_eq!(parse_endpoint("https://scu.example.com/Rs").unwrap().as_str(), "https://scu.example.com/Rs/");
        assert!(parse_endpoint("http://127.0.0.1:8080").is_ok());
        assert!(parse_endpoint("http://localhost:8080").is_ok());
        for wrong in ["http://scu.example.com", "ftp://x", "scu.example.com", "https://a:b@x/", "https://x/?a=b"] {
            assert!(parse_endpoint(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn connection_strings_use_https_or_an_emulator_on_loopback() {
        let parse = |text: &str| BusCredential::parse(text).map(|credential| credential.endpoint().to_string());
        let key = "SharedAccessKeyName=n;SharedAccessKey=abc=";
        assert_eq!(
            parse(&format!("Endpoint=sb://c.servicebus.windows.net/;{key}")).unwrap(),
            "https://c.servicebus.windows.net/"
        );
        assert_eq!(
            parse(&format!("Endpoint=sb://127.0.0.1:5672;{key};UseDevelopmentEmulator=true")).unwrap(),
            "http://127.0.0.1:5672/"
        );
        assert!(parse(&format!("Endpoint=sb://example.com;{key};UseDevelopmentEmulator=true")).is_err());
        assert!(parse("Endpoint=sb://c.servicebus.windows.net/;SharedAccessKeyName=n").is_err());
    }

    #[test]
    fn a_key_is_never_printed() {
        let credential =
            BusCredential::parse("Endpoint=sb://c.example/;SharedAccessKeyName=n;SharedAccessKey=hush").unwrap();
        assert!(!format!("{credential:?}").contains("hush"));
    }
}
