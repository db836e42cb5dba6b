//! The Scale Unit: the event search, the operating units, and the read requests of the enrichment.

use reqwest::StatusCode;

use super::{Finding, Mark, Problem, Stage};
use crate::clients::commerce::{
    Commerce, Meaning, Probe, describe, error_name, is_page, known_error, meaning, read_events,
};
use crate::clients::identity::Tokens;
use crate::clients::{CallError, Reply, http_client};
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::journeys::{Details, EventType, Journey, Misspelt};
use crate::settings::CommerceSettings;

pub(super) async fn check(services: &Services) -> Vec<Finding> {
    let mut findings = Vec::new();
    for event_type in probed_types(services) {
        let answer = services.commerce.probe(Probe::Events(event_type)).await;
        let finding = search(&format!("search for {event_type} events"), answer);
        let is_unused = finding.problem.is_none() && is_unused(services, event_type);
        findings.push(if is_unused { finding.with_note(unused(services)) } else { finding });
    }
    if findings.iter().any(|finding| finding.authenticated == Mark::Failed)
        && let Some(scheme) = other_scheme(services).await
    {
        findings.iter_mut().for_each(|finding| advise_scheme(finding, scheme));
    }
    // If a search succeeded, the token is valid. Then a rejected read request is a missing permission.
    let token_accepted = findings.iter().any(|finding| finding.permitted == Mark::Ok);
    for (entity, is_needed) in enriched_with(services) {
        let answer = services.commerce.probe(entity.probe()).await;
        findings.push(read(entity, is_needed, answer, token_accepted));
    }
    findings.push(operating_units(services.commerce.probe(Probe::OperatingUnit).await));
    let not_polled_types: Vec<_> = services.journeys.not_of_types(&services.event_types).collect();
    let is_polled = |it: &Misspelt<'_>| not_polled_types.iter().all(|(_, event_type)| *event_type != it.event_type);
    findings.extend(not_polled_types.iter().map(|(journey, event_type)| not_polled(journey, event_type)));
    findings.extend(services.journeys.misspelt_types().filter(is_polled).map(|it| unknown_type(&it)));
    findings
}

/// The polled types. If there is none, any type shows whether searches are possible.
fn probed_types(services: &Services) -> Vec<&str> {
    let types: Vec<&str> = services.event_types.iter().map(String::as_str).collect();
    if types.is_empty() { vec![ANY_TYPE] } else { types }
}

const ANY_TYPE: &str = "Checkout";

fn is_unused(services: &Services, event_type: &str) -> bool {
    services.journeys.unused_types(&[event_type.to_owned()]).next().is_some()
}

/// The note about an event type without journeys.
fn unused(services: &Services) -> &'static str {
    if services.event_types.is_empty() {
        "no journey is enabled, so no events are read"
    } else {
        "no enabled journey has this event type: its events cost requests and start nothing"
    }
}

/// A journey that cannot start, because nothing reads its events.
fn not_polled(journey: &Journey, event_type: &str) -> Finding {
    let mistake = format!("the event type {event_type:?} of an enabled journey is not polled");
    let remedy = "correct eventType in journeys.json, or add the event type to the setting EventTypes";
    failed(&format!("events of the journey {}", journey.name), Stage::Exists, mistake, remedy)
}

/// A journey that probably never starts, because no event has its type.
fn unknown_type(Misspelt { journey, event_type, similar }: &Misspelt<'_>) -> Finding {
    let mistake = format!("the event type {event_type:?} is not known; a similar type is {similar:?}");
    let remedy = "correct eventType in journeys.json; or define the type there, in eventTypes (and in the setting EventTypes, if it is set)";
    failed(&format!("events of the journey {}", journey.name), Stage::Exists, mistake, remedy)
}

/// What events are enriched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entity {
    Orders,
    Customers,
    Carts,
}

/// What the polled events are enriched with, and whether some of them need it.
fn enriched_with(services: &Services) -> Vec<(Entity, bool)> {
    let kinds: Vec<_> = services.event_types.iter().map(|name| services.journeys.event_type(name)).collect();
    let with = |details| kinds.iter().filter(move |kind| kind.details == Some(details));
    let customers = || kinds.iter().filter(|kind| kind.has_customer);
    let details = |details| (with(details).count(), with(details).any(EventType::needs_details));
    let entities = [
        (Entity::Orders, details(Details::Order)),
        (Entity::Customers, (customers().count(), customers().any(EventType::needs_customer))),
        (Entity::Carts, details(Details::Cart)),
    ];
    entities
        .into_iter()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(entity, (_, is_needed))| (entity, is_needed))
        .collect()
}

impl Entity {
    fn probe(self) -> Probe<'static> {
        match self {
            Self::Orders => Probe::Order,
            Self::Customers => Probe::Customer,
            Self::Carts => Probe::Cart,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Customers => "customers",
            Self::Carts => "carts",
        }
    }
}

/// The scheme that is not configured, if the Scale Unit accepts it.
async fn other_scheme(services: &Services) -> Option<&'static str> {
    let settings = &services.settings;
    let scheme = if settings.commerce.scheme == "Bearer" { "id_token" } else { "Bearer" };
    let other = CommerceSettings { scheme: scheme.to_owned(), ..settings.commerce.clone() };
    let timeout = settings.request_timeout;
    let http = http_client(timeout).ok()?;
    let managed = settings.managed_identity.as_deref();
    let tokens = Tokens::new(&other.identity, &other.audience, managed, &http, timeout, &services.clock);
    let event_type = services.event_types.first().map_or(ANY_TYPE, String::as_str);
    let client = Commerce::new(&other, tokens, &http, &services.clock);
    let reply = client.probe(Probe::Events(event_type)).await.ok()?;
    (reply.status != StatusCode::UNAUTHORIZED).then_some(scheme)
}

fn advise_scheme(finding: &mut Finding, scheme: &str) {
    if finding.authenticated == Mark::Failed {
        let mistake = format!("the Scale Unit accepts the token only with the authorization scheme {scheme}");
        let remedy = format!("set AuthSchemeD365Commerce to {scheme} (in the Bicep parameters: commerce.scheme)");
        finding.problem = Some(Problem::new(mistake, remedy));
    }
}

fn search(what: &str, response: Result<Reply, CallError>) -> Finding {
    let reply = match response {
        Ok(reply) => reply,
        Err(error) => return no_response(what, &error),
    };
    if reply.status.is_success() && !is_page(&reply) {
        return match read_events(&reply.body) {
            Ok(_) => Finding::ok(Dependency::Commerce, what),
            Err(error) => {
                let mistake = with_status(&reply, &format!("the response is not that of an event search: {error}"));
                failed(what, Stage::Exists, mistake, "deploy the Commerce event framework extension to this Scale Unit")
            }
        };
    }
    match meaning(&reply) {
        Meaning::Absent | Meaning::NoSuchOperation => failed(
            what,
            Stage::Exists,
            with_status(&reply, "the Scale Unit has no event search"),
            "deploy the Commerce event framework extension to this Scale Unit, and check that CSUEndpoint is its Retail Server URL",
        ),
        _ => general(what, &reply, false).unwrap_or_else(|| refused(what, &reply)),
    }
}

/// By the same meanings as in the flow: what an event does not wait for there is no problem here.
fn read(entity: Entity, is_needed: bool, response: Result<Reply, CallError>, token_accepted: bool) -> Finding {
    let what = entity.name();
    let reply = match response {
        Ok(reply) => reply,
        Err(error) => return no_response(what, &error),
    };
    let meaning = meaning(&reply);
    if (reply.status.is_success() && !is_page(&reply)) || meaning == Meaning::Absent {
        return Finding::ok(Dependency::Commerce, what);
    }
    if let Some(finding) = unknown_channel(what, &reply) {
        return finding;
    }
    if !is_needed && matches!(meaning, Meaning::Refused | Meaning::Unknown) {
        let note = format!("events continue without {what} that the Scale Unit does not return ({})", describe(&reply));
        return Finding::unchecked(Dependency::Commerce, what, note);
    }
    if meaning == Meaning::NoSuchOperation {
        let mistake = with_status(&reply, "the Scale Unit has no such operation");
        let remedy = "check that CSUEndpoint is the Retail Server URL, and that the Scale Unit's version serves it";
        return failed(what, Stage::Exists, mistake, remedy);
    }
    general(what, &reply, token_accepted).unwrap_or_else(|| refused(what, &reply))
}

/// Optional. Without the extension's lookup, the configured operating unit is used.
fn operating_units(response: Result<Reply, CallError>) -> Finding {
    let what = "operating units of channels";
    let reply = match response {
        Ok(reply) => reply,
        Err(error) => return no_response(what, &error),
    };
    let (meaning, is_named) = (meaning(&reply), !error_name(&reply.body).is_empty());
    // "There is no channel 0" is a valid response.
    let is_available = match meaning {
        _ if is_page(&reply) => false,
        _ if reply.status.is_success() => true,
        Meaning::Absent | Meaning::Refused | Meaning::Unknown => is_named || reply.status == StatusCode::BAD_REQUEST,
        Meaning::Unavailable | Meaning::Unauthenticated | Meaning::Forbidden | Meaning::NoSuchOperation => false,
    };
    if is_available {
        return Finding::ok(Dependency::Commerce, what);
    }
    let is_missing = matches!(meaning, Meaning::Absent | Meaning::NoSuchOperation);
    let fault = if is_missing { "the extension has no lookup" } else { "the lookup does not work" };
    let note = format!("{fault} ({}): events of all channels are enriched with OperatingUnitNumber", describe(&reply));
    Finding::unchecked(Dependency::Commerce, what, note)
}

/// Problems that are the same for all requests. `token_accepted`: another request with this token succeeded.
fn general(what: &str, reply: &Reply, token_accepted: bool) -> Option<Finding> {
    let (name, meaning) = (error_name(&reply.body), meaning(reply));
    if let Some(finding) = unknown_channel(what, reply) {
        return Some(finding);
    }
    if meaning == Meaning::Forbidden || (token_accepted && meaning == Meaning::Unauthenticated) {
        let mistake = with_status(reply, "the role Application may not make this call");
        let remedy = "Microsoft's role table does not list Application for every read of orders: have the Scale Unit's \
            extension serve the call to it (a controller with the role Application), or ask Microsoft's support to \
            permit it; until then such events are retried, and fail with commerceUnavailable after the retry horizon";
        return Some(failed(what, Stage::Permitted, mistake, remedy));
    }
    if meaning == Meaning::Unauthenticated {
        let (mistake, remedy) = if name.contains("InvalidAudience") {
            (
                "the token is for another audience",
                "set AudienceD365Commerce to the server resource id that Commerce shared parameters > Identity providers shows",
            )
        } else {
            (
                "the Scale Unit does not know the application",
                "in Commerce shared parameters > Identity providers, add CommerceClientIdD365Commerce as a relying party \
                 (type Confidential, user type Application) with its server resource id, and run job 1110; the other \
                 authorization scheme is refused, too",
            )
        };
        return Some(failed(what, Stage::Authenticated, with_status(reply, mistake), remedy));
    }
    (meaning == Meaning::Unavailable)
        .then(|| failed(what, Stage::Reached, with_status(reply, "the Scale Unit is not available"), "try again later"))
}

fn unknown_channel(what: &str, reply: &Reply) -> Option<Finding> {
    let is_unknown = meaning(reply) == Meaning::Refused && error_name(&reply.body).ends_with("InvalidChannel");
    let mistake = || with_status(reply, "the operating unit number is unknown");
    let remedy =
        "set OperatingUnitNumber to the operating unit number of a channel, as Retail and Commerce > Channels shows it";
    is_unknown.then(|| failed(what, Stage::Exists, mistake(), remedy))
}

fn refused(what: &str, reply: &Reply) -> Finding {
    let remedy = known_error(reply).map_or_else(
        || "check the Scale Unit's version and extension; the name of the error shows the cause".to_owned(),
        |known| format!("{} (one of the {})", known.reason, known.source),
    );
    failed(what, Stage::Exists, with_status(reply, "the Scale Unit rejects the request"), &remedy)
}

fn no_response(what: &str, error: &CallError) -> Finding {
    let remedy = "check CSUEndpoint, name resolution and outbound network access";
    Finding::no_response(Dependency::Commerce, what, error, remedy)
}

fn failed(what: &str, at: Stage, mistake: String, remedy: &str) -> Finding {
    Finding::failed(Dependency::Commerce, what, at, Problem::new(mistake, remedy))
}

fn with_status(reply: &Reply, mistake: &str) -> String {
    if is_page(reply) {
        return format!("{mistake} ({})", describe(reply));
    }
    let name = error_name(&reply.body);
    format!("{mistake} ({})", format!("{} {name}", reply.status.as_u16()).trim_end())
}
