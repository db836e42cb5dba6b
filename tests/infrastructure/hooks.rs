//! The hooks of `azure.yaml`, run as azd runs them, up to the point where Azure is needed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use xtask::App;

use crate::azd::project;
use crate::file;

const SHA256_OF_A: &str = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb";

/// Writes its name and arguments to `calls`.
const RECORD: &str = "#!/bin/sh\necho \"$(basename \"$0\") $*\" >> \"$CALLS\"\n";

/// `python3 -m venv FOLDER`, with a pip that only records.
const PYTHON: &str = "[ \"$1\" = -m ] || exit 0\nmkdir -p \"$3/bin\" && cp \"$0\" \"$3/bin/pip\"\n";

/// A copy of what the hooks need of the repository, and programs that take the place of the real ones.
struct Project(PathBuf);

impl Project {
    fn new(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azd").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("infra/azd")).unwrap();
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::write(root.join("infra/azd/package.sh"), file("infra/azd/package.sh")).unwrap();
        Self(root)
    }

    fn with_program(self, name: &str, script: &str) -> Self {
        let path = self.0.join("bin").join(name);
        fs::write(&path, format!("{RECORD}{script}")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// azd writes an inline hook to a file and runs it with the shell, in the folder of the service. The variables of the
    /// azd environment are environment variables.
    fn run_hook(&self, app: App, variables: &[(&str, &str)]) -> Output {
        let service = &project()["services"][app.name()];
        let hook = &service["hooks"]["prepackage"]["posix"];
        let script = self.0.join("hook.sh");
        fs::write(&script, hook["run"].as_str().unwrap()).unwrap();
        let mut command = Command::new(hook["shell"].as_str().unwrap());
        command.arg(&script).current_dir(self.0.join(service["project"].as_str().unwrap())).env_clear();
        command.env("PATH", format!("{}:/usr/bin:/bin", self.0.join("bin").display()));
        command.env("CALLS", self.0.join("calls")).envs(variables.iter().copied()).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_hook_builds_the_package_with_zig_of_its_own() {
    for app in [App::CommerceJourneys, App::PrepareData] {
        let project = Project::new(app.name()).with_program("python3", PYTHON).with_program("cargo", "");
        for _ in 0..2 {
            let output = project.run_hook(app, &[]);
            assert!(output.status.success(), "{}", errors(&output));
        }
        let package = format!("cargo xtask package --app {}", app.name());
        let install = "pip install --quiet --requirement xtask/requirements.txt";
        assert_eq!(
            project.calls(),
            ["python3 -m venv target/zig", install, &package, &package],
            "Zig is installed once"
        );
    }
}

#[test]
fn the_hook_uses_zig_that_is_installed() {
    let project = Project::new("installed").with_program("cargo-zigbuild", "").with_program("cargo", "");
    let output = project.run_hook(App::CommerceJourneys, &[]);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(project.calls(), ["cargo xtask package --app commerce-journeys"]);
}

#[test]
fn a_package_that_does_not_build_stops_azd() {
    let project = Project::new("broken").with_program("cargo-zigbuild", "").with_program("cargo", "exit 101\n");
    assert_eq!(project.run_hook(App::PrepareData, &[]).status.code(), Some(101));
    let project = Project::new("no-zig").with_program("python3", "exit 1\n").with_program("cargo", "");
    assert!(!project.run_hook(App::PrepareData, &[]).status.success());
    assert_eq!(project.calls(), ["python3 -m venv target/zig"], "nothing is built without Zig");
}

#[test]
fn the_hook_takes_a_release_with_the_right_checksum_only() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let project = Project::new("release").with_program("cargo", "");
    let release = project.0.join("release");
    fs::create_dir_all(&release).unwrap();
    let url = format!("file://{}", release.display());
    let run = || project.run_hook(App::PrepareData, &[("COMMERCE_JOURNEYS_RELEASE", &url)]);
    assert!(!run().status.success(), "the release has no files");
    fs::write(release.join("SHA256SUMS"), format!("{SHA256_OF_A}  prepare-data.zip\n")).unwrap();
    for (content, is_right) in [("a", true), ("b", false)] {
        fs::write(release.join("prepare-data.zip"), content).unwrap();
        let output = run();
        assert_eq!(output.status.success(), is_right, "{}", errors(&output));
        assert_eq!(errors(&output).contains("does not have the checksum"), !is_right);
        assert_eq!(fs::read_to_string(project.0.join("target/package/prepare-data.zip")).unwrap(), content);
    }
    assert_eq!(project.calls(), Vec::<String>::new(), "nothing is built");
}
