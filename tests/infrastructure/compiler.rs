//! What the Bicep compiler says of `infra/`. These tests need a `bicep` on the PATH, and print that they are skipped
//! where there is none. Under `CI=true` they fail without one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::snapshots;

use crate::repository;

/// The compiler, for a folder. `None` where it is not installed.
fn bicep(folder: &Path, arguments: &[&str]) -> Option<Output> {
    let result = Command::new("bicep").current_dir(folder).args(arguments).output();
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    match result {
        Ok(output) => Some(output),
        Err(error) if is_ci => panic!("bicep cannot be started: {error}"),
        Err(error) => {
            println!("skipped: bicep cannot be started ({error}); install it with `az bicep install`");
            None
        }
    }
}

/// Everything that the compiler printed. Nothing is what a clean file prints.
fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

/// A copy of `infra/` of which one file has another text.
fn changed(name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let infra = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bicep").join(name);
    let _ = fs::remove_dir_all(&infra);
    copy(&repository("infra"), &infra);
    let path = infra.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(&path, text.replacen(from, to, 1)).unwrap();
    infra
}

#[test]
fn every_file_has_the_form_of_the_formatter() {
    let infra = changed("format", "main.bicep", "", "");
    for pattern in ["**/*.bicep", "**/*.bicepparam"] {
        let Some(output) = bicep(&infra, &["format", "--pattern", pattern]) else { return };
        assert!(output.status.success(), "{}", printed(&output));
    }
    compare(&infra, &repository("infra"));
}

fn compare(formatted: &Path, here: &Path) {
    for entry in fs::read_dir(here).unwrap().map(|entry| entry.unwrap()) {
        let (path, formatted) = (entry.path(), formatted.join(entry.file_name()));
        if path.is_dir() {
            compare(&formatted, &path);
        } else {
            let is_same = fs::read(&path).unwrap() == fs::read(&formatted).unwrap();
            assert!(is_same, "{} is not formatted: bicep format {0}", path.display());
        }
    }
}

#[test]
fn the_linter_reports_nothing() {
    let Some(output) = bicep(&repository("infra"), &["lint", "--pattern", "**/*.bicep"]) else { return };
    assert!(output.status.success() && printed(&output).is_empty(), "{}", printed(&output));
}

#[test]
fn a_wrong_property_and_a_broken_rule_are_reported() {
    for (name, file, from, to, complaint) in [
        ("property", "modules/function-app.bicep", "httpsOnly: true", "httpOnly: true", "is not allowed on objects"),
        ("rule", "modules/cosmos.bicep", "param tags Tags", "param tags object", "use-user-defined-types"),
        ("what-if", "main.bicep", "topicName: topicName", "topicName: cosmos.outputs.endpoint", "what-if"),
    ] {
        let infra = changed(name, file, from, to);
        let Some(output) = bicep(&infra, &["lint", "main.bicep"]) else { return };
        assert!(printed(&output).contains(complaint), "{name}: {}", printed(&output));
    }
}

#[test]
fn the_snapshots_show_what_the_templates_make() {
    for parameters in snapshots::PARAMETERS {
        let arguments = snapshots::arguments(parameters, "validate");
        let Some(output) = bicep(&repository("infra"), &arguments) else { return };
        let advice = "if the change is intended: cargo xtask snapshots";
        assert!(output.status.success(), "{parameters}: {}\n{advice}", printed(&output));
        assert!(printed(&output).is_empty(), "{parameters}: {}", printed(&output));
    }
}

#[test]
fn a_change_in_azure_fails_the_snapshots() {
    let infra = changed("snapshot", "modules/service-bus.bicep", "lockDuration: 'PT1M'", "lockDuration: 'PT2M'");
    let Some(output) = bicep(&infra, &snapshots::arguments(snapshots::PARAMETERS[0], "validate")) else { return };
    assert!(!output.status.success() && printed(&output).contains("lockDuration"), "{}", printed(&output));
}

#[test]
fn names_that_azure_refuses_are_refused_first() {
    for name in ["prod_eu", "prod--eu", "prod-"] {
        let (from, to) = ("environmentName = 'prod'", format!("environmentName = '{name}'"));
        let infra = changed("names", "main.bicepparam", from, &to);
        let Some(output) = bicep(&infra, &snapshots::arguments("main.bicepparam", "overwrite")) else { return };
        assert!(printed(&output).contains("letters, digits and single hyphens"), "{name}: {}", printed(&output));
    }
}
