//! The results of cases, as text and as JSON.

use serde::Serialize;

/// The result of one case.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// Its folder.
    pub case: String,
    /// What is not as expected; empty if everything is.
    pub differences: Vec<String>,
    /// Time taken, in milliseconds.
    pub milliseconds: u64,
}

/// The results of all cases.
#[derive(Clone, Debug, Serialize)]
pub struct TestReport {
    /// The cases, in the order of their names.
    pub cases: Vec<CaseResult>,
}

impl TestReport {
    /// Whether everything is as expected.
    pub fn passed(&self) -> bool {
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.cases.iter().filter(|case| !case.differences.is_empty()).count()
    }
}

impl std::fmt::Display for TestReport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for CaseResult { case, differences, milliseconds } in &self.cases {
            let word = if differences.is_empty() { "passed" } else { "FAILED" };
            writeln!(f, "{word}  {case} ({}.{:01} s)", milliseconds / 1000, milliseconds % 1000 / 100)?;
            for difference in differences {
                writeln!(f, "        {difference}")?;
            }
        }
        match self.failed() {
            0 => write!(f, "all {} cases passed", self.cases.len()),
            failed => write!(f, "{failed} of {} cases failed", self.cases.len()),
        }
    }
}
