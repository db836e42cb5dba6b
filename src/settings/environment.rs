//! Environment variables that look wrong, although no setting depends on them.

use super::{SETTINGS, is_unresolved_reference};
use crate::text::distance;

/// A suspicious environment variable. Its value is never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingWarning {
    /// The platform has not replaced the reference.
    #[error(
        "the app setting {0} is a Key Vault or App Configuration reference that is not resolved; check that the value exists and that the app's identity may read it"
    )]
    Unresolved(String),
    /// The name is not known, and nearly that of a setting.
    #[error("the app setting {name} is not known and has no effect; the name of a similar setting is {similar}")]
    Similar {
        /// The name as it is.
        name: String,
        /// The name of the setting.
        similar: &'static str,
    },
}

/// The warnings about these variables. Unresolved references in known settings are errors and not listed here.
pub fn suspicious_settings(variables: impl IntoIterator<Item = (String, String)>) -> Vec<SettingWarning> {
    variables.into_iter().filter_map(|(name, value)| warning(name, &value)).collect()
}

fn warning(name: String, value: &str) -> Option<SettingWarning> {
    if SETTINGS.iter().any(|setting| setting.name == name) {
        return None;
    }
    if is_unresolved_reference(value) {
        return Some(SettingWarning::Unresolved(name));
    }
    let similar = SETTINGS.iter().find(|setting| is_similar(setting.name, &name))?.name;
    Some(SettingWarning::Similar { name, similar })
}

/// Up to two letters differ. Upper and lower case count as equal.
fn is_similar(known: &str, name: &str) -> bool {
    let long_enough = known.len().min(name.len()) >= 8;
    long_enough && known.len().abs_diff(name.len()) <= 2 && distance(&known.to_lowercase(), &name.to_lowercase()) <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_and_unresolved_references_are_named_and_never_quoted() {
        let reference = "@Microsoft.KeyVault(SecretUri=https://kv.example/secrets/hush)";
        let variables = [
            ("RequestTimout", "00:00:30"),
            ("pollpagesize", "10"),
            ("RequestTimeout", reference),
            ("OTEL_EXPORTER_OTLP_HEADERS", reference),
            ("OrderConfirmationTrigger", "msdynmkt_x"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let warnings = suspicious_settings(variables);
        let similar = |name: &str, similar| SettingWarning::Similar { name: name.to_owned(), similar };
        assert_eq!(
            warnings,
            [
                similar("RequestTimout", "RequestTimeout"),
                similar("pollpagesize", "PollPageSize"),
                SettingWarning::Unresolved("OTEL_EXPORTER_OTLP_HEADERS".to_owned()),
            ]
        );
        assert!(!format!("{warnings:?}").contains("hush"));
    }

    #[test]
    fn known_names_are_not_similar_to_each_other() {
        for setting in SETTINGS {
            assert_eq!(warning(setting.name.to_owned(), ""), None);
        }
        for name in ["AzureWebJobsStorage__accountName", "ServiceBusConnection__clientId", "FeedbackRequestTrigger"] {
            assert_eq!(warning(name.to_owned(), ""), None, "{name}");
        }
    }
}
