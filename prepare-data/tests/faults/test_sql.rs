//! `test-sql`: the example's cases, and expectations that are not met.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs the program with the example's overlay.
fn test_sql(cases: &Path) -> Output {
    let overlay = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/overlay");
    let mut command = Command::new(env!("CARGO_BIN_EXE_prepare-data"));
    command.arg("test-sql").arg(cases).arg("--sql-overlay").arg(overlay).output().unwrap()
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

#[test]
fn the_cases_of_the_example_pass() {
    let output = test_sql(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/overlay-tests"));
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    assert!(said.contains("passed  open-orders") && said.contains("all 2 cases passed"), "{said}");
}

#[test]
fn what_is_not_as_expected_is_said_and_the_exit_status_is_1() {
    let group = ("wrong/input/custgroup.csv", "custgroup,name\n10,Wholesale\n20,Retail\n");
    let cases = folder(&[
        group,
        ("wrong/expected/customer_groups.csv", "customer_group_id,group_name\nusmf-10,Partners\nusmf-30,Staff\n"),
        ("right/input/custgroup.csv", group.1),
        ("right/input/custtable.csv", "recid,accountnum,party\n1,,11\n2,C2,11\n"),
        ("right/input/dirpartytable.csv", "recid,instancerelationtype\n11,100\n"),
        ("right/input/dirpersonname.csv", "person,lastname\n11,Lovelace\n"),
        ("right/expected/customer_groups.csv", "GROUP_NAME\nWholesale\n"),
        ("right/expected/rejected.csv", "source_id,reason\ncusttable-1,number_missing\n"),
        ("right/settings.json", r#"{"noOtherRows": false, "asOf": "2026-01-01T00:00:00Z"}"#),
        ("column/input/custgroup.csv", "custgruop\n10\n"),
        ("column/expected/customer_groups.csv", "company\nusmf\n"),
        ("table/input/custgroup.csv", group.1),
        ("table/expected/customer_group.csv", "company\nusmf\n"),
        ("value/input/custtable.csv", "party\nlots\n"),
        ("value/expected/custtable.csv", "party\n1\n"),
        ("absent/expected/customer_groups.csv", "company\nusmf\n"),
        ("nothing/input/custgroup.csv", group.1),
        ("folder/changes/input/custgroup.csv", group.1),
    ]);
    let output = test_sql(cases.path());
    let said = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    for part in [
        "customer_groups: usmf-10: group_name is Wholesale, expected Partners",
        "customer_groups: missing: customer_group_id usmf-30, group_name Staff",
        "customer_groups: not expected: customer_group_id usmf-20, group_name Retail",
        "passed  right",
        "input/custgroup.csv: custgroup has no column custgruop; is custgroup meant?",
        "expected/customer_group.csv: there is no table customer_group; is customer_groups meant?",
        "input/custtable.csv cannot be read as CSV",
        "customer_groups was not published: its table custgroup has no file in input/",
        "the case expects nothing",
        "changes would not be read",
        "7 of 8 cases failed",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
    }
}

#[test]
fn a_folder_without_cases_is_an_error() {
    let output = test_sql(folder(&[("README.md", "Nothing yet.")]).path());
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("has no cases"), "{}", text(&output.stderr));
}
