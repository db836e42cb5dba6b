//! How a climate is written: `storm`, or `dataverse=storm,cosmos=rough`, or `rough,entra=none`.

use std::str::FromStr;

use super::{FaultProfile, FaultRates};
use crate::network::Dependency;

/// A part of a climate's description that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is none of none, rough, storm, or one of these for a dependency (entra, commerce, cosmos, service-bus, dataverse), as in dataverse=storm,cosmos=rough"
)]
pub struct UnknownFaultProfile(String);

impl FromStr for FaultProfile {
    type Err = UnknownFaultProfile;

    /// Parts are separated by commas; later ones win. A part without a dependency is for all of them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').try_fold(Self::none(), |climate, part| {
            let unknown = || UnknownFaultProfile(part.trim().to_owned());
            match part.split_once('=') {
                Some((name, severity)) => {
                    let dependency = dependency(name).ok_or_else(unknown)?;
                    Ok(climate.with(dependency, conditions(severity).ok_or_else(unknown)?))
                }
                None => conditions(part).map(Self::everywhere).ok_or_else(unknown),
            }
        })
    }
}

fn conditions(severity: &str) -> Option<FaultRates> {
    match severity.trim().to_ascii_lowercase().as_str() {
        "none" => Some(FaultRates::default()),
        "rough" => Some(FaultRates::rough()),
        "storm" => Some(FaultRates::storm()),
        _ => None,
    }
}

fn dependency(name: &str) -> Option<Dependency> {
    match name.trim().to_ascii_lowercase().as_str() {
        "entra" => Some(Dependency::Entra),
        "commerce" | "csu" => Some(Dependency::Commerce),
        "cosmos" => Some(Dependency::Cosmos),
        "service-bus" | "servicebus" | "bus" => Some(Dependency::ServiceBus),
        "dataverse" => Some(Dependency::Dataverse),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climate(text: &str) -> FaultProfile {
        text.parse().unwrap()
    }

    #[test]
    fn one_word_is_for_all() {
        assert_eq!(climate("none"), FaultProfile::none());
        assert_eq!(climate(" Rough "), FaultProfile::rough());
        assert_eq!(climate("storm"), FaultProfile::storm());
        assert!(climate("none").is_none());
    }

    #[test]
    fn dependencies_are_combined() {
        let mixed = climate("dataverse=storm,cosmos=rough");
        assert_eq!(mixed.of(Dependency::Dataverse), FaultRates::storm());
        assert_eq!(mixed.of(Dependency::Cosmos), FaultRates::rough());
        assert_eq!(mixed.of(Dependency::Entra), FaultRates::default());
        let but_one = climate("storm, service-bus = none");
        assert_eq!(but_one, FaultProfile::storm().with(Dependency::ServiceBus, FaultRates::default()));
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (text, part) in [("hail", "hail"), ("storm,sap=rough", "sap=rough"), ("cosmos=x", "cosmos=x"), ("", "")] {
            assert_eq!(text.parse::<FaultProfile>(), Err(UnknownFaultProfile(part.to_owned())));
        }
    }
}
