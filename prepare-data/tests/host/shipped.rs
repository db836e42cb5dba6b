//! The real program in the folder as it is published, started by the sandbox's Functions host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use clap::CommandFactory as _;
use prepare_data::cli::Cli;
use sample_lake::{Options, generate};
use sandbox::clock::Clock;
use sandbox::host::{App, Host, HostEvent, HostOptions, HttpRequests, Keys, Outcome, Process, Settings};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prepare-data");

fn functions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("functions")
}

fn local_settings() -> Settings {
    let text = std::fs::read_to_string(functions().join("local.settings.json")).unwrap();
    let local: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(local["Values"].clone()).unwrap()
}

/// Puts the app's folder together, as the package does.
fn publish(into: &Path) {
    for file in ["host.json", "prepare-data/function.json"] {
        std::fs::create_dir_all(into.join(file).parent().unwrap()).unwrap();
        std::fs::copy(functions().join(file), into.join(file)).unwrap();
    }
    std::fs::create_dir_all(into.join("bin")).unwrap();
    let program = into.join("bin").join(if cfg!(windows) { "prepare-data.exe" } else { "prepare-data" });
    if std::fs::hard_link(PROGRAM, &program).is_err() {
        std::fs::copy(PROGRAM, &program).unwrap();
    }
}

#[test]
fn every_setting_of_the_folder_is_known() {
    let cli = Cli::command();
    let serve = cli.find_subcommand("serve").unwrap();
    let known: BTreeSet<String> =
        serve.get_arguments().filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned())).collect();
    let for_the_host = ["AzureWebJobsStorage", "FUNCTIONS_WORKER_RUNTIME", "PrepareSchedule"];
    for name in local_settings().keys().filter(|name| !for_the_host.contains(&name.as_str())) {
        assert!(known.contains(name), "{name} is none of {known:?}");
    }
}

#[tokio::test]
async fn the_timer_prepares_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let (lake, prepared, app) = (folder.path().join("lake"), folder.path().join("prepared"), folder.path().join("app"));
    generate(&lake, Options { customers: 40, lines: 300, ..Options::default() }).await.unwrap();
    publish(&app);
    let mut settings = local_settings();
    for (name, value) in [
        ("PrepareSchedule", "* * * * * *".to_owned()),
        ("LakeLocation", lake.display().to_string()),
        ("PreparedLocation", prepared.display().to_string()),
    ] {
        settings.insert(name.to_owned(), value);
    }
    let said: Arc<Mutex<Vec<Value>>> = Arc::default();
    let lines = said.clone();
    let host = Host::start(HostOptions {
        app: App::read(&app, &settings).unwrap(),
        clock: Clock::real(),
        launch: Arc::new(Process),
        sources: Box::new(|trigger| Err(format!("{trigger:?} is not expected"))),
        keys: Keys { function: "f".to_owned(), master: "m".to_owned() },
        requests: HttpRequests::default(),
        output: Arc::new(move |_, line| lines.lock().unwrap().push(serde_json::from_str(line).unwrap())),
    })
    .unwrap();
    let mut events = host.events();
    let outcome = loop {
        let event = tokio::time::timeout(crate::TOO_LONG, events.recv()).await;
        if let HostEvent::Ended { outcome, .. } = event.expect("the invocation ends in time").unwrap() {
            break outcome;
        }
    };
    host.shutdown().await;
    let said = said.lock().unwrap();
    assert_eq!(outcome, Outcome::Succeeded, "{said:?}");
    assert!(prepared.join("gold/customers/_delta_log").is_dir());
    let of =
        |event: &str| said.iter().find(|line| line["event"] == event).unwrap_or_else(|| panic!("{event}: {said:?}"));
    assert!(of("handlerStarted")["startMs"].is_u64());
    let finished = of("preparationFinished");
    assert!(finished["rows"].as_u64().unwrap() > 0, "{finished}");
    // Which invocation it was is on each line, by the task that the lines are written in.
    assert_eq!(finished["function"], "prepare-data");
    assert_eq!(of("tablePublished")["invocationId"], finished["invocationId"]);
}

#[test]
fn wrong_settings_are_named_in_the_log() {
    let cases: [(&[(&str, &str)], &str); 3] = [
        (&[], "--lake"),
        (&[("LakeLocation", "lake"), ("Layers", "five")], "five"),
        (&[("LakeLocation", "lake")], "FUNCTIONS_CUSTOMHANDLER_PORT"),
    ];
    for (settings, complaint) in cases {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").env_clear().env("PreparedLocation", "prepared").envs(settings.iter().copied());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let line: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(line["event"], "handlerNotStarted");
        assert!(line["detail"].as_str().unwrap().contains(complaint), "{line}");
    }
}
