//! The Scale Unit: the event search, the operating unit, and the reads with which events are enriched.

use reqwest::StatusCode;

use super::{Finding, Problem, Stage};
use crate::app::App;
use crate::clients::commerce::{Probe, error_name};
use crate::clients::{CallError, Dependency, Reply};

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    for event_type in &app.settings.poll.event_types {
        let answer = app.commerce.probe(Probe::Events(event_type)).await;
        findings.push(search(&format!("search for {event_type} events"), answer));
    }
    // Whatever refuses a read after a search was answered is the read's own right.
    let known = findings.iter().any(|finding| finding.problem.is_none() && finding.note.is_none());
    for (what, probe) in [("orders", Probe::Order), ("customers", Probe::Customer), ("carts", Probe::Cart)] {
        findings.push(read(what, app.commerce.probe(probe).await, known));
    }
    findings.push(operating_units(app.commerce.probe(Probe::OperatingUnit).await));
    findings
}

fn search(what: &str, answer: Result<Reply, CallError>) -> Finding {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return unanswered(what, &error),
    };
    let name = error_name(&reply.body);
    match reply.status {
        status if status.is_success() => Finding::green(Dependency::Commerce, what),
        _ if name.ends_with("InvalidChannel") => failed(
            what,
            Stage::Exists,
            said(&reply, "the operating unit number is unknown"),
            "set OperatingUnitNumber to the operating unit number of a channel, as Retail and Commerce > Channels shows it",
        ),
        StatusCode::NOT_FOUND => failed(
            what,
            Stage::Exists,
            said(&reply, "the Scale Unit has no event search"),
            "deploy the Commerce event framework extension to this Scale Unit, and check that CSUEndpoint is its Retail Server URL",
        ),
        _ => general(what, &reply, false).unwrap_or_else(|| refused(what, &reply)),
    }
}

fn read(what: &str, answer: Result<Reply, CallError>, known: bool) -> Finding {
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return unanswered(what, &error),
    };
    let name = error_name(&reply.body);
    let absent = name.contains("NotFound") || (reply.status == StatusCode::NOT_FOUND && name.is_empty());
    if reply.status.is_success() || absent {
        return Finding::green(Dependency::Commerce, what);
    }
    if reply.status == StatusCode::NOT_FOUND {
        let mistake = said(&reply, "the Scale Unit has no such operation");
        let remedy = "check that CSUEndpoint is the Retail Server URL, and that the Scale Unit's version serves it";
        return failed(what, Stage::Exists, mistake, remedy);
    }
    general(what, &reply, known).unwrap_or_else(|| refused(what, &reply))
}

/// Optional: without the extension's look-up there is only the configured operating unit.
fn operating_units(answer: Result<Reply, CallError>) -> Finding {
    let what = "operating units of channels";
    let reply = match answer {
        Ok(reply) => reply,
        Err(error) => return unanswered(what, &error),
    };
    // That there is no channel 0 is an answer.
    let answered = reply.status.is_success() || reply.status == StatusCode::BAD_REQUEST;
    if answered || error_name(&reply.body).contains("ObjectNotFound") {
        return Finding::green(Dependency::Commerce, what);
    }
    Finding::untried(
        Dependency::Commerce,
        what,
        format!(
            "the extension does not tell them ({}): events of all channels are enriched under OperatingUnitNumber",
            reply.status.as_u16()
        ),
    )
}

/// What holds for every call. `known` says that this very token was good for another one.
fn general(what: &str, reply: &Reply, known: bool) -> Option<Finding> {
    let name = error_name(&reply.body);
    let forbidden = reply.status == StatusCode::FORBIDDEN || name.contains("AuthorizationFailed");
    if forbidden || (known && reply.status == StatusCode::UNAUTHORIZED) {
        let mistake = said(reply, "the role Application may not make this call");
        let remedy = "Microsoft's role table does not list Application for every read of orders: have the Scale Unit's \
            extension serve the call to it (a controller with the role Application), or ask Microsoft's support to \
            permit it; until then such events are retried and given up as commerceUnavailable";
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
                 (type Confidential, user type Application) with its server resource id, run job 1110, and try \
                 AuthSchemeD365Commerce=id_token if it still refuses",
            )
        };
        return Some(failed(what, Stage::Authenticated, said(reply, mistake), remedy));
    }
    let away = reply.status.is_server_error() || reply.status == StatusCode::TOO_MANY_REQUESTS;
    away.then(|| failed(what, Stage::Reached, said(reply, "the Scale Unit is not available"), "try again later"))
}

fn refused(what: &str, reply: &Reply) -> Finding {
    let remedy = "compare the Scale Unit's version and extension with what the error's name says";
    failed(what, Stage::Exists, said(reply, "the Scale Unit does not take the request"), remedy)
}

fn unanswered(what: &str, error: &CallError) -> Finding {
    let remedy = "check CSUEndpoint, name resolution, and that this machine may call out";
    Finding::unanswered(Dependency::Commerce, what, error, remedy)
}

fn failed(what: &str, at: Stage, mistake: String, remedy: &str) -> Finding {
    Finding::failed(Dependency::Commerce, what, at, Problem::new(mistake, remedy))
}

fn said(reply: &Reply, mistake: &str) -> String {
    let name = error_name(&reply.body);
    format!("{mistake} ({})", format!("{} {name}", reply.status.as_u16()).trim_end())
}
