//! The report of a check: a table for people, and JSON for scripts.

use std::fmt;

use serde::Serialize;

use crate::clients::CallError;
use crate::dependency::Dependency;

/// All findings, in the order of the checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each check.
    pub findings: Vec<Finding>,
}

/// The result of one check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The dependency.
    pub dependency: Dependency,
    /// What was checked.
    pub what: String,
    /// Whether the dependency responds.
    pub reached: Mark,
    /// Whether it accepts our identity.
    pub authenticated: Mark,
    /// Whether our identity has permission.
    pub permitted: Mark,
    /// Whether it exists with the right configuration.
    pub exists: Mark,
    /// The problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// Additional information.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The parameters of a trigger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterFinding>,
}

/// The result of one stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Passed.
    Ok,
    /// Failed.
    Failed,
    /// It could not be checked.
    Unknown,
    /// It does not apply to this check.
    NotApplicable,
}

/// A problem and its solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub mistake: String,
    /// How to fix it.
    pub remedy: String,
}

/// A parameter of a custom trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterFinding {
    /// The name.
    pub name: String,
    /// The type in Dataverse. Absent if the trigger has no such parameter.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether Dataverse requires a value.
    pub required: bool,
    /// Whether `journeys.json` sets it.
    pub filled: bool,
}

/// The stages of a check, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The dependency responds.
    Reached,
    /// It accepts our identity.
    Authenticated,
    /// Our identity has permission.
    Permitted,
    /// The checked object exists.
    Exists,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Reached, Self::Authenticated, Self::Permitted, Self::Exists];
}

impl Finding {
    /// All stages passed.
    pub(super) fn ok(dependency: Dependency, what: impl Into<String>) -> Self {
        Self::with(dependency, what, |_| Mark::Ok)
    }

    /// The stages before `at` passed.
    pub(super) fn failed(dependency: Dependency, what: impl Into<String>, at: Stage, problem: Problem) -> Self {
        let finding = Self::with(dependency, what, |stage| match stage.cmp(&at) {
            std::cmp::Ordering::Less => Mark::Ok,
            std::cmp::Ordering::Equal => Mark::Failed,
            std::cmp::Ordering::Greater => Mark::Unknown,
        });
        Self { problem: Some(problem), ..finding }
    }

    /// It could not be checked.
    pub(super) fn unchecked(dependency: Dependency, what: impl Into<String>, because: impl Into<String>) -> Self {
        Self::with(dependency, what, |_| Mark::Unknown).with_note(because)
    }

    /// A request without a response. If there is no token, the finding about the token contains the problem.
    pub(super) fn no_response(
        dependency: Dependency,
        what: impl Into<String>,
        error: &CallError,
        remedy: impl Into<String>,
    ) -> Self {
        match error {
            CallError::Identity(_) => Self::unchecked(dependency, what, "there is no token for this check"),
            CallError::NotSent(_) | CallError::AnswerLost(_) => {
                Self::failed(dependency, what, Stage::Reached, Problem::new(error.to_string(), remedy))
            }
        }
    }

    fn with(dependency: Dependency, what: impl Into<String>, mark: impl Fn(Stage) -> Mark) -> Self {
        let [reached, authenticated, permitted, exists] = Stage::ALL.map(mark);
        let (problem, note, parameters) = (None, None, Vec::new());
        Self { dependency, what: what.into(), reached, authenticated, permitted, exists, problem, note, parameters }
    }

    /// Removes the stages that do not apply to a token.
    pub(super) fn for_token(self) -> Self {
        Self { permitted: Mark::NotApplicable, exists: Mark::NotApplicable, ..self }
    }

    pub(super) fn with_note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    fn marks(&self) -> [Mark; 4] {
        [self.reached, self.authenticated, self.permitted, self.exists]
    }
}

impl Problem {
    pub(super) fn new(mistake: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { mistake: mistake.into(), remedy: remedy.into() }
    }
}

impl Report {
    /// Whether there are no problems.
    pub fn is_ok(&self) -> bool {
        self.findings.iter().all(|finding| finding.problem.is_none())
    }
}

impl Mark {
    fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Unknown => "?",
            Self::NotApplicable => "",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or_default();
        writeln!(f, "{:<11}  {:<widest$}  reached  authenticated  permitted  exists", "", "")?;
        for finding in &self.findings {
            let [reached, authenticated, permitted, exists] = finding.marks().map(Mark::text);
            let (dependency, what) = (finding.dependency.name(), &finding.what);
            let row = format!(
                "{dependency:<11}  {what:<widest$}  {reached:<7}  {authenticated:<13}  {permitted:<9}  {exists}"
            );
            writeln!(f, "{}", row.trim_end())?;
            if let Some(note) = &finding.note {
                writeln!(f, "{:<11}    {note}", "")?;
            }
            finding.parameters.iter().try_for_each(|parameter| writeln!(f, "{:<11}    {parameter}", ""))?;
        }
        self.write_problems(f)
    }
}

impl Report {
    /// Each problem once, with everything that it affects.
    fn write_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut problems: Vec<(Dependency, &Problem, Vec<&str>)> = Vec::new();
        for finding in &self.findings {
            let Some(problem) = &finding.problem else { continue };
            let is_same = |(dependency, known, _): &&mut (Dependency, &Problem, Vec<&str>)| {
                *dependency == finding.dependency && *known == problem
            };
            match problems.iter_mut().find(is_same) {
                Some((_, _, affected)) => affected.push(&finding.what),
                None => problems.push((finding.dependency, problem, vec![&finding.what])),
            }
        }
        for (number, (dependency, Problem { mistake, remedy }, affected)) in (1..).zip(&problems) {
            writeln!(f, "\n{number}. {}, {}: {mistake}", dependency.name(), affected.join(", "))?;
            writeln!(f, "   To do: {remedy}")?;
        }
        if problems.is_empty() { writeln!(f, "\nNo problems found.") } else { Ok(()) }
    }
}

impl fmt::Display for ParameterFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_deref().unwrap_or("(not of this trigger)");
        let requirement = if self.required { "required" } else { "optional" };
        let filled = if self.filled { "filled" } else { "not filled" };
        write!(f, "{:<36}  {kind:<9}  {requirement}  {filled}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_the_failed_stage_and_the_solution() {
        let problem = Problem::new("the role is missing", "assign it");
        let failed = Finding::failed(Dependency::ServiceBus, "topic order-events", Stage::Permitted, problem);
        let again = Finding { what: "subscription".to_owned(), ..failed.clone() };
        let report = Report { findings: vec![Finding::ok(Dependency::Entra, "token").for_token(), failed, again] };
        assert!(!report.is_ok());
        let text = report.to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["entra", "token", "ok", "ok"]);
        assert_eq!(rows[2], ["serviceBus", "topic", "order-events", "ok", "ok", "FAILED", "?"]);
        assert!(!text.contains("2. "), "{text}");
        assert!(
            text.contains("1. serviceBus, topic order-events, subscription: the role is missing\n   To do: assign it"),
            "{text}"
        );
    }
}
