//! Journeys that start once for a transaction or a customer: `oncePer`.

use std::time::Duration;

use super::plan::{Force, JourneyPlan, StartOptions};
use super::prospect::Prospect;
use crate::clients::store::{MarkerId, StoreError};
use crate::contacts::Person;
use crate::events::{CommerceEvent, EventId, JourneyOutcome, Record, SkipCode};
use crate::functions::Services;
use crate::functions::start_error::StartError;
use crate::journeys::{Journey, OncePer};
use crate::telemetry::LogEvent;

/// The markers that this delivery has taken, by journey.
pub(super) type Markers = Vec<(String, MarkerId)>;

/// Takes the marker of each journey to start. A journey whose marker another event has is skipped.
pub(super) async fn take_markers(
    services: &Services,
    event: &CommerceEvent,
    person: &Person,
    options: &StartOptions,
    prospect: &Prospect<'_>,
    plan: &mut JourneyPlan<'_>,
) -> Result<Markers, StartError> {
    let (mut taken, own) = (Vec::new(), event.id());
    for journey in plan.wanted.clone() {
        let Some((id, period)) = marker_of(services, journey, event, person) else { continue };
        let owner = services.store.take_marker(id, &own, period).await?;
        if owner == own {
            taken.push((journey.name.clone(), id));
        } else if options.force != Force::Started && !prospect.may_have_started(journey) {
            plan.skip(journey, JourneyOutcome::skipped(SkipCode::FrequencyCapped, because(journey, &owner)));
        }
    }
    Ok(taken)
}

/// Gives back the markers of journeys that are skipped after all.
pub(super) async fn return_markers(services: &Services, record: &Record, markers: Markers) {
    let is_skipped = |name: &String| matches!(record.journeys().get(name), Some(JourneyOutcome::Skipped { .. }));
    for (_, id) in markers.into_iter().filter(|(name, _)| is_skipped(name)) {
        if let Err(error) = services.store.return_marker(id, record.id()).await {
            LogEvent::MarkerNotReturned { event_id: record.id().as_str(), detail: &error.to_string() }.log();
        }
    }
}

/// Why the journey would not start, if another event has its marker.
pub(super) async fn owner_of_marker(
    services: &Services,
    journey: &Journey,
    event: &CommerceEvent,
    person: &Person,
) -> Result<Option<String>, StoreError> {
    let Some((id, _)) = marker_of(services, journey, event, person) else { return Ok(None) };
    let owner = services.store.marker_owner(id).await?.filter(|owner| *owner != event.id());
    Ok(owner.map(|owner| because(journey, &owner)))
}

fn marker_of(
    services: &Services,
    journey: &Journey,
    event: &CommerceEvent,
    person: &Person,
) -> Option<(MarkerId, Duration)> {
    let company = event.data_area_id.to_lowercase();
    match journey.rules.once_per {
        OncePer::Event => None,
        OncePer::Transaction(period) => {
            let key = ["transaction", company.as_str(), event.channel_id.as_str(), event.transaction_id.as_str()];
            Some((MarkerId::new(&journey.name, &key), period.unwrap_or(services.settings.keep_records)))
        }
        OncePer::Customer(period) => {
            let number = person.number.as_ref().map(|number| ("number", number.to_lowercase()));
            let email = || person.email.as_ref().map(|email| ("email", email.to_lowercase()));
            let (kind, customer) = number.or_else(email)?;
            Some((MarkerId::new(&journey.name, &["customer", company.as_str(), kind, customer.as_str()]), period))
        }
    }
}

fn because(journey: &Journey, owner: &EventId) -> String {
    let same = match journey.rules.once_per {
        OncePer::Customer(_) => "customer",
        OncePer::Event | OncePer::Transaction(_) => "transaction",
    };
    format!("it starts once for the same {same} in its period, with the event {owner}")
}
