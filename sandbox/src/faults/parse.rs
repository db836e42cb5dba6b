//! The text form of a fault profile: `storm`, or `dataverse=hang,cosmos=rough`, or `rough,entra=none`.

use std::str::FromStr;

use super::{FaultProfile, FaultRates};
use crate::network::Dependency;

/// An unknown part of a fault profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is not a fault profile: use none, rough, storm, hang, refuse, nonsense or odd, or one of these for a dependency (identity, commerce, cosmos, service-bus, dataverse), as in dataverse=hang,cosmos=rough"
)]
pub struct UnknownFaultProfile(String);

impl FromStr for FaultProfile {
    type Err = UnknownFaultProfile;

    /// Parts are separated by commas; a later part overrides an earlier one. A part without a dependency is for all of them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').try_fold(Self::none(), |profile, part| {
            let unknown = || UnknownFaultProfile(part.trim().to_owned());
            match part.split_once('=') {
                Some((name, severity)) => {
                    let dependency = dependency(name).ok_or_else(unknown)?;
                    Ok(profile.with(dependency, rates(severity).ok_or_else(unknown)?))
                }
                None => rates(part).map(Self::everywhere).ok_or_else(unknown),
            }
        })
    }
}

fn rates(severity: &str) -> Option<FaultRates> {
    match severity.trim().to_ascii_lowercase().as_str() {
        "none" => Some(FaultRates::default()),
        "rough" => Some(FaultRates::rough()),
        "storm" => Some(FaultRates::storm()),
        "hang" => Some(FaultRates::hanging()),
        "refuse" => Some(FaultRates::refusing()),
        "nonsense" => Some(FaultRates::nonsense()),
        "odd" => Some(FaultRates::odd()),
        _ => None,
    }
}

fn dependency(name: &str) -> Option<Dependency> {
    match name.trim().to_ascii_lowercase().as_str() {
        "identity" | "entra" => Some(Dependency::Entra),
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

    fn parsed(text: &str) -> FaultProfile {
        text.parse().unwrap()
    }

    #[test]
    fn one_word_is_for_all_dependencies() {
        assert_eq!(parsed("none"), FaultProfile::none());
        assert_eq!(parsed(" Rough "), FaultProfile::rough());
        assert_eq!(parsed("storm"), FaultProfile::storm());
        assert!(parsed("odd").of(Dependency::Commerce).odd && !parsed("storm").of(Dependency::Commerce).odd);
        assert!(parsed("none").is_none());
    }

    #[test]
    fn parts_are_combined() {
        let mixed = parsed("dataverse=storm,cosmos=rough");
        assert_eq!(mixed.of(Dependency::Dataverse), FaultRates::storm());
        assert_eq!(mixed.of(Dependency::Cosmos), FaultRates::rough());
        assert_eq!(mixed.of(Dependency::Entra), FaultRates::default());
        let except_one = parsed("storm, service-bus = none");
        assert_eq!(except_one, FaultProfile::storm().with(Dependency::ServiceBus, FaultRates::default()));
    }

    #[test]
    fn a_dependency_can_hang_refuse_or_answer_nonsense() {
        let mixed = parsed("dataverse=hang,identity=refuse,cosmos=nonsense");
        assert_eq!(mixed.of(Dependency::Dataverse), FaultRates::hanging());
        assert_eq!(mixed.of(Dependency::Entra), FaultRates::refusing());
        assert_eq!(mixed.of(Dependency::Cosmos), FaultRates::nonsense());
        assert_eq!(mixed.of(Dependency::Commerce), FaultRates::default());
    }

    #[test]
    fn an_unknown_part_is_reported() {
        for (text, part) in [("hail", "hail"), ("storm,sap=rough", "sap=rough"), ("cosmos=x", "cosmos=x"), ("", "")] {
            assert_eq!(text.parse::<FaultProfile>(), Err(UnknownFaultProfile(part.to_owned())));
        }
    }
}
