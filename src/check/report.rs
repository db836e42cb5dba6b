//! What a check has found, as a table for people and as JSON for scripts.

use std::fmt;

use serde::Serialize;

use crate::clients::{CallError, Dependency};

/// All findings, in the order of the checks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each thing that was tried.
    pub findings: Vec<Finding>,
}

/// How far one thing could be reached.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Where it is.
    pub dependency: Dependency,
    /// What it is.
    pub what: String,
    /// Whether the dependency answers.
    pub reached: Mark,
    /// Whether it knows us.
    pub authenticated: Mark,
    /// Whether it lets us.
    pub permitted: Mark,
    /// Whether the thing is there, and as it should be.
    pub exists: Mark,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// What else is worth knowing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// A trigger's parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterFinding>,
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mark {
    /// Yes.
    Ok,
    /// No.
    Failed,
    /// It could not be found out.
    Unknown,
    /// The question does not arise.
    None,
}

/// A mistake and its remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What is wrong.
    pub mistake: String,
    /// What to do about it.
    pub remedy: String,
}

/// A parameter of a custom trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterFinding {
    /// Its name.
    pub name: String,
    /// Its type in Dataverse; absent if the trigger has no such parameter.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether Dataverse demands a value.
    pub required: bool,
    /// Whether `journeys.json` has it.
    pub filled: bool,
}

/// What has to be so, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The dependency answers.
    Reached,
    /// It knows us.
    Authenticated,
    /// It lets us.
    Permitted,
    /// The thing is there.
    Exists,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Reached, Self::Authenticated, Self::Permitted, Self::Exists];
}

impl Finding {
    /// All is well.
    pub(super) fn green(dependency: Dependency, what: impl Into<String>) -> Self {
        Self::with(dependency, what, |_| Mark::Ok)
    }

    /// It went well up to a stage.
    pub(super) fn failed(dependency: Dependency, what: impl Into<String>, at: Stage, problem: Problem) -> Self {
        let finding = Self::with(dependency, what, |stage| match stage.cmp(&at) {
            std::cmp::Ordering::Less => Mark::Ok,
            std::cmp::Ordering::Equal => Mark::Failed,
            std::cmp::Ordering::Greater => Mark::Unknown,
        });
        Self { problem: Some(problem), ..finding }
    }

    /// It could not be tried, for a reason that another finding names.
    pub(super) fn untried(dependency: Dependency, what: impl Into<String>, because: impl Into<String>) -> Self {
        Self::with(dependency, what, |_| Mark::Unknown).noting(because)
    }

    /// A request that has no answer. Without a token there is nothing to say that the token's own finding does not.
    pub(super) fn unanswered(
        dependency: Dependency,
        what: impl Into<String>,
        error: &CallError,
        remedy: impl Into<String>,
    ) -> Self {
        match error {
            CallError::Identity(_) => Self::untried(dependency, what, "there is no token to try it with"),
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

    /// Leaves out what cannot be asked of a token.
    pub(super) fn of_token(self) -> Self {
        Self { permitted: Mark::None, exists: Mark::None, ..self }
    }

    pub(super) fn noting(self, note: impl Into<String>) -> Self {
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
    /// Whether nothing is wrong.
    pub fn is_green(&self) -> bool {
        self.findings.iter().all(|finding| finding.problem.is_none())
    }
}

impl Mark {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Unknown => "?",
            Self::None => "",
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.findings.iter().map(|finding| finding.what.chars().count()).max().unwrap_or_default();
        writeln!(f, "{:<11}  {:<widest$}  reached  authenticated  permitted  exists", "", "")?;
        for finding in &self.findings {
            let [reached, authenticated, permitted, exists] = finding.marks().map(Mark::word);
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
    fn write_problems(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.findings.iter().filter_map(|finding| Some((finding, finding.problem.as_ref()?)));
        let mut count = 0;
        for (finding, problem) in found {
            count += 1;
            writeln!(f, "\n{count}. {}, {}: {}", finding.dependency.name(), finding.what, problem.mistake)?;
            writeln!(f, "   To do: {}", problem.remedy)?;
        }
        if count == 0 { writeln!(f, "\nAll is well.") } else { Ok(()) }
    }
}

impl fmt::Display for ParameterFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.as_deref().unwrap_or("(not of this trigger)");
        let demand = if self.required { "required" } else { "optional" };
        let filled = if self.filled { "filled" } else { "not filled" };
        write!(f, "{:<36}  {kind:<9}  {demand}  {filled}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_how_far_it_went_and_what_to_do() {
        let problem = Problem::new("the role is missing", "assign it");
        let failed = Finding::failed(Dependency::ServiceBus, "topic order-events", Stage::Permitted, problem);
        let report = Report { findings: vec![Finding::green(Dependency::Entra, "token").of_token(), failed] };
        assert!(!report.is_green());
        let text = report.to_string();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[1], ["entra", "token", "ok", "ok"]);
        assert_eq!(rows[2], ["serviceBus", "topic", "order-events", "ok", "ok", "FAILED", "?"]);
        assert!(text.contains("1. serviceBus, topic order-events: the role is missing\n   To do: assign it"), "{text}");
    }
}
