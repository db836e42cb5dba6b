//! How a climate is written: `storm`, or `dataverse=storm,cosmos=rough`, or `rough,entra=none`.

use std::str::FromStr;

use super::{Climate, Conditions};
use crate::wire::Neighbour;

/// A part of a climate's description that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is none of none, rough, storm, or one of these for a neighbour (entra, commerce, cosmos, service-bus, dataverse), as in dataverse=storm,cosmos=rough"
)]
pub struct UnknownClimate(String);

impl FromStr for Climate {
    type Err = UnknownClimate;

    /// Parts are separated by commas; later ones win. A part without a neighbour is for all of them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').try_fold(Self::none(), |climate, part| {
            let unknown = || UnknownClimate(part.trim().to_owned());
            match part.split_once('=') {
                Some((name, severity)) => {
                    let neighbour = neighbour(name).ok_or_else(unknown)?;
                    Ok(climate.with(neighbour, conditions(severity).ok_or_else(unknown)?))
                }
                None => conditions(part).map(Self::everywhere).ok_or_else(unknown),
            }
        })
    }
}

fn conditions(severity: &str) -> Option<Conditions> {
    match severity.trim().to_ascii_lowercase().as_str() {
        "none" => Some(Conditions::default()),
        "rough" => Some(Conditions::rough()),
        "storm" => Some(Conditions::storm()),
        _ => None,
    }
}

fn neighbour(name: &str) -> Option<Neighbour> {
    match name.trim().to_ascii_lowercase().as_str() {
        "entra" => Some(Neighbour::Entra),
        "commerce" | "csu" => Some(Neighbour::Commerce),
        "cosmos" => Some(Neighbour::Cosmos),
        "service-bus" | "servicebus" | "bus" => Some(Neighbour::ServiceBus),
        "dataverse" => Some(Neighbour::Dataverse),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn climate(text: &str) -> Climate {
        text.parse().unwrap()
    }

    #[test]
    fn one_word_is_for_all() {
        assert_eq!(climate("none"), Climate::none());
        assert_eq!(climate(" Rough "), Climate::rough());
        assert_eq!(climate("storm"), Climate::storm());
        assert!(climate("none").is_none());
    }

    #[test]
    fn neighbours_are_combined() {
        let mixed = climate("dataverse=storm,cosmos=rough");
        assert_eq!(mixed.of(Neighbour::Dataverse), Conditions::storm());
        assert_eq!(mixed.of(Neighbour::Cosmos), Conditions::rough());
        assert_eq!(mixed.of(Neighbour::Entra), Conditions::default());
        let but_one = climate("storm, service-bus = none");
        assert_eq!(but_one, Climate::storm().with(Neighbour::ServiceBus, Conditions::default()));
    }

    #[test]
    fn what_means_nothing_is_named() {
        for (text, part) in [("hail", "hail"), ("storm,sap=rough", "sap=rough"), ("cosmos=x", "cosmos=x"), ("", "")] {
            assert_eq!(text.parse::<Climate>(), Err(UnknownClimate(part.to_owned())));
        }
    }
}
