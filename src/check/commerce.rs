//! The Scale Unit: the event search, the operating units, and the read requests of the enrichment.

use reqwest::StatusCode;

use super::{Finding, Mark, Problem, Stage};
use crate::clients::commerce::{Commerce, Probe, error_name};
use crate::clients::identity::Tokens;
use crate::clients::{CallError, Reply, http_client};
use crate::dependency::Dependency;
use crate::functions::Services;
use crate::settings::CommerceSettings;

pub(super) async fn check(services: &Services) -> Vec<Finding> {
    let mut findings = Vec::new();
    for event_type in &services.settings.poll.event_types {
        let answer = services.commerce.probe(Probe::Events(event_type)).await;
        findings.push(search(&format!("search for {event_type} events"), answer));
    }
    if findings.iter().any(|finding| finding.authenticated == Mark::Failed)
        && let Some(scheme) = other_scheme(services).await
    {
        findings.iter_mut().for_each(|finding| advise_scheme(finding, scheme));
    }
    // If a search succeeded, the token is valid. Then a rejected read request is a missing permission.
    let token_accepted = findings.iter().any(|finding| finding.problem.is_none() && finding.note.is_none());
    for (what, probe) in [("orders", Probe::Order), ("customers", Probe::Customer), ("carts", Probe::Cart)] {
        findings.push(read(what, services.commerce.probe(probe).await, token_accepted));
    }
    findings.push(operating_units(services.commerce.probe(Probe::OperatingUnit).await));
    findings
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
    let event_type = settings.poll.event_types.first()?;
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
    let name = error_name(&reply.body);
    match reply.status {
        status if status.is_success() => Finding::ok(Dependency::Commerce, what),
        _ if name.ends_with("InvalidChannel") => failed(
            what,
            Stage::Exists,
            with_status(&reply, "the operating unit number is unknown"),
            "set OperatingUnitNumber to the operating unit number of a channel, as Retail and Commerce > Channels shows it",
        ),
        StatusCode::NOT_FOUND => failed(
            what,
            Stage::Exists,
            with_status(&reply, "the Scale Unit has no event search"),
            "deploy the Commerce event framework extension to this Scale Unit, and check that CSUEndpoint is its Retail Server URL",
        ),
        _ => general(what, &reply, false).unwrap_or_else(|| refused(what, &reply)),
    }
}

fn read(what: &str, response: Result<Reply, CallError>, token_accepted: bool) -> Finding {
    let reply = match response {
        Ok(reply) => reply,
        Err(error) => return no_response(what, &error),
    };
    let name = error_name(&reply.body);
    let absent = name.contains("NotFound") || (reply.status == StatusCode::NOT_FOUND && name.is_empty());
    if reply.status.is_success() || absent {
        return Finding::ok(Dependency::Commerce, what);
    }
    if reply.status == StatusCode::NOT_FOUND {
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
    // "There is no channel 0" is a valid response.
    let is_available = reply.status.is_success() || reply.status == StatusCode::BAD_REQUEST;
    if is_available || error_name(&reply.body).contains("ObjectNotFound") {
        return Finding::ok(Dependency::Commerce, what);
    }
    Finding::unchecked(
        Dependency::Commerce,
        what,
        format!(
            "the extension has no lookup ({}): events of all channels are enriched with OperatingUnitNumber",
            reply.status.as_u16()
        ),
    )
}

/// Problems that are the same for all requests. `token_accepted`: another request with this token succeeded.
fn general(what: &str, reply: &Reply, token_accepted: bool) -> Option<Finding> {
    let name = error_name(&reply.body);
    let forbidden = reply.status == StatusCode::FORBIDDEN || name.contains("AuthorizationFailed");
    if forbidden || (token_accepted && reply.status == StatusCode::UNAUTHORIZED) {
        let mistake = with_status(reply, "the role Application may not make this call");
        let remedy = "Microsoft's role table does not list Application for every read of orders: have the Scale Unit's \
            extension serve the call to it (a controller with the role Application), or ask Microsoft's support to \
            permit it; until then such events are retried, and fail with commerceUnavailable after the retry horizon";
        return Some(failed(what, Stage::Permitted, mistake, remedy));
    }
    if reply.status == StatusCode::UNAUTHORIZED {
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
    let unavailable = reply.status.is_server_error() || reply.status == StatusCode::TOO_MANY_REQUESTS;
    unavailable
        .then(|| failed(what, Stage::Reached, with_status(reply, "the Scale Unit is not available"), "try again later"))
}

fn refused(what: &str, reply: &Reply) -> Finding {
    let remedy = "check the Scale Unit's version and extension; the name of the error shows the cause";
    failed(what, Stage::Exists, with_status(reply, "the Scale Unit rejects the request"), remedy)
}

fn no_response(what: &str, error: &CallError) -> Finding {
    let remedy = "check CSUEndpoint, name resolution and outbound network access";
    Finding::no_response(Dependency::Commerce, what, error, remedy)
}

fn failed(what: &str, at: Stage, mistake: String, remedy: &str) -> Finding {
    Finding::failed(Dependency::Commerce, what, at, Problem::new(mistake, remedy))
}

fn with_status(reply: &Reply, mistake: &str) -> String {
    let name = error_name(&reply.body);
    format!("{mistake} ({})", format!("{} {name}", reply.status.as_u16()).trim_end())
}
