//! The deployment package, unpacked and started as the Functions host starts it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sandbox::app_folder::repository;
use sandbox::clock::Clock;
use sandbox::environment::{Environment, EnvironmentOptions, FUNCTION_KEY};
use sandbox::host::{App, Process};
use sandbox::shop::{CHANNELS, CartOpening, Checkout, Item, PRODUCTS};
use serde_json::{Value, json};
use xtask::{App as FunctionApp, BinaryError, Glibc, PackError, PackOptions, pack};
use zip::ZipArchive;

const BINARY: &str = env!("CARGO_BIN_EXE_commerce-journeys");

/// A program of every Linux machine. It is packed where the test does not start it: the handler of a development build takes
/// seconds to compress.
const SMALL: &str = "/usr/bin/env";

/// The binary was built for this machine, so any version of its C library is accepted.
const THIS_MACHINE: PackOptions = PackOptions { glibc: Glibc(999, 0), messages_per_instance: None };

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_package_serves_invocations() {
    let into = folder("package");
    let package = pack(&repository(), FunctionApp::CommerceJourneys, Path::new(BINARY), &into, &THIS_MACHINE).unwrap();

    let unpacked = into.join("unpacked");
    ZipArchive::new(File::open(&package.archive).unwrap()).unwrap().extract(&unpacked).unwrap();
    let mut found: Vec<String> = walk(&unpacked, &unpacked);
    found.sort();
    let expected = [
        "commerce-journeys",
        "host.json",
        "journeys.json",
        "poll-events/function.json",
        "process-message/function.json",
        "trigger-journey/function.json",
    ];
    assert_eq!(found, expected, "only what belongs in it");
    let mode = |name: &str| fs::metadata(unpacked.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("commerce-journeys"), 0o755);
    assert_eq!(mode("host.json"), 0o644);

    let environment = Environment::start(EnvironmentOptions::new(Clock::real())).await.unwrap();
    let mut settings = environment.settings();
    settings.insert("PollSchedule".to_owned(), "* * * * * *".to_owned());
    let app = App::read(&unpacked, &settings).unwrap();
    let app = environment.host(app, Arc::new(Process), Arc::new(|_, _| {})).await.unwrap();
    assert!(app.host().ready().await);
    // The timer polls and publishes; the message starts the journey.
    let shop = environment.shop();
    let cart = shop.open_cart(CartOpening { channel: CHANNELS[0].id, ..CartOpening::default() }).unwrap();
    shop.add_to_cart(&cart, &[Item { product: PRODUCTS[0].id, quantity: 1 }]).unwrap();
    let receipt_email = Some("guest@example.org".to_owned());
    shop.checkout(&cart, Checkout { receipt_email, name: "order".to_owned() }).unwrap();
    while environment.dataverse().started().is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let reply = reqwest::Client::new()
        .post(format!("{}api/trigger-journey", app.url()))
        .header("x-functions-key", FUNCTION_KEY)
        .json(&json!({"eventId": "unknown", "eventChannelId": "1"}))
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 404);
    assert!(reply.json::<Value>().await.unwrap().is_object());
    app.shutdown().await;
}

fn walk(root: &Path, folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => names.extend(walk(root, &path)),
            false => names.push(path.strip_prefix(root).unwrap().display().to_string()),
        }
    }
    names
}

#[test]
fn a_binary_for_a_newer_c_library_is_refused() {
    let old = PackOptions { glibc: Glibc(2, 2), ..PackOptions::default() };
    let refusal =
        pack(&repository(), FunctionApp::CommerceJourneys, Path::new(BINARY), &folder("newer"), &old).unwrap_err();
    let PackError::Binary(BinaryError::NewerGlibc { limit, needed, .. }) = &refusal else { panic!("{refusal}") };
    assert!(*limit == Glibc(2, 2) && needed > limit);
    assert!(refusal.to_string().contains("leave --binary out"), "{refusal}");
}

/// A copy of the repository with one file changed.
fn repository_with(name: &str, file: &str, from: &str, to: &str) -> PathBuf {
    let copy = folder(name);
    for app in [FunctionApp::CommerceJourneys, FunctionApp::PrepareData] {
        let (from, to) = (app.root(&repository()), app.root(&copy));
        for file in app.files().iter().copied().chain(["local.settings.json"]) {
            fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
            fs::copy(from.join(file), to.join(file)).unwrap();
        }
    }
    let text = fs::read_to_string(copy.join(file)).unwrap();
    assert!(text.contains(from), "{file} has no {from}");
    fs::write(copy.join(file), text.replacen(from, to, 1)).unwrap();
    copy
}

#[test]
fn a_package_that_would_not_start_is_refused() {
    use FunctionApp::{CommerceJourneys, PrepareData};
    let (lake_host, timer) = ("prepare-data/functions/host.json", "prepare-data/functions/prepare-data/function.json");
    for (name, app, file, from, to, complaint) in [
        (
            "executable",
            CommerceJourneys,
            "host.json",
            "\"commerce-journeys\"",
            "\"handler\"",
            "host.json starts 'handler'",
        ),
        ("bundle", CommerceJourneys, "host.json", "ExtensionBundle\"", "Bundle\"", "needs the extensionBundle"),
        (
            "connection",
            CommerceJourneys,
            "process-message/function.json",
            "ServiceBusConnection",
            "Elsewhere",
            "Elsewhere",
        ),
        ("schedule", CommerceJourneys, "poll-events/function.json", "%PollSchedule%", "often", "schedule"),
        (
            "journeys",
            CommerceJourneys,
            "journeys.json",
            "\"eventType\": \"Checkout\"",
            "\"eventType\": \"\"",
            "journeys[0].eventType",
        ),
        (
            "lake-executable",
            PrepareData,
            lake_host,
            "\"bin/prepare-data\"",
            "\"handler\"",
            "host.json starts 'handler'",
        ),
        ("lake-timeout", PrepareData, lake_host, "01:00:00", "an hour", "is not a duration"),
        ("lake-schedule", PrepareData, timer, "%PrepareSchedule%", "%Elsewhen%", "Elsewhen"),
    ] {
        let repository = repository_with(name, file, from, to);
        let refusal = pack(&repository, app, Path::new(BINARY), &repository.join("target"), &THIS_MACHINE).unwrap_err();
        assert!(refusal.to_string().contains(complaint), "{file}: {refusal}");
    }
}

/// One package is for all environments: each environment's setting `JourneysOverlay` names its file.
#[test]
fn the_package_has_the_journeys_of_every_environment() {
    let root = repository_with("environments", "journeys.json", "", "");
    let overlay = root.join("journeys.prod.json");
    let pack = || {
        let into = root.join("target");
        pack(&root, FunctionApp::CommerceJourneys, Path::new(SMALL), &into, &THIS_MACHINE)
    };
    fs::write(&overlay, r#"{"journeys": [{"name": "feedback-request", "enabled": true}]}"#).unwrap();
    fs::write(root.join("journeys.json.bak"), "not part of it").unwrap();
    let package = pack().unwrap();
    let names: Vec<&str> = package.files.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.contains(&"journeys.prod.json") && names.len() == 7, "{names:?}");
    let archive = ZipArchive::new(File::open(&package.archive).unwrap()).unwrap();
    assert!(archive.index_for_name("journeys.prod.json").is_some());
    for (text, complaint) in [
        (
            r#"{"journeys": [{"name": "feedback"}]}"#,
            "journeys.prod.json: journeys[0].name: journeys.json has no journey",
        ),
        (r#"{"journeys": [{"name": "feedback-request", "enabeld": true}]}"#, "changed by journeys.prod.json: "),
        (r#"{"journeys": [{"name": "abandoned-cart", "onUncertain": "maybe"}]}"#, "journeys[3].onUncertain"),
    ] {
        fs::write(&overlay, text).unwrap();
        let refusal = pack().unwrap_err().to_string();
        assert!(refusal.contains(complaint), "{text}: {refusal}");
    }
}

#[test]
fn each_app_has_a_package_of_its_own() {
    let into = folder("both");
    for app in [FunctionApp::CommerceJourneys, FunctionApp::PrepareData] {
        let package = pack(&repository(), app, Path::new(SMALL), &into, &THIS_MACHINE).unwrap();
        assert_eq!(package.archive, into.join(format!("{}.zip", app.name())));
        let mut archive = ZipArchive::new(File::open(&package.archive).unwrap()).unwrap();
        let mut found: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        let mut expected: Vec<String> = app.files().iter().map(|file| (*file).to_owned()).collect();
        expected.push(app.program().to_owned());
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "only what belongs in it: no settings of this machine");
        assert_eq!(archive.by_name(app.program()).unwrap().unix_mode().unwrap() & 0o777, 0o755);
    }
}

#[test]
fn own_sql_of_the_lake_side_is_in_its_package() {
    let repository = repository_with("own-sql", "host.json", "", "");
    let file = "sql-overlay/gold/customers.columns.sql";
    let path = FunctionApp::PrepareData.root(&repository).join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "select 1").unwrap();
    let package =
        pack(&repository, FunctionApp::PrepareData, Path::new(SMALL), &folder("own-sql-package"), &THIS_MACHINE)
            .unwrap();
    assert!(package.files.iter().any(|(name, size)| name == file && *size == 8), "{:?}", package.files);
}

/// The platform's scale controller divides by the number in this file.
#[test]
fn the_package_has_the_deployments_number_of_messages() {
    let into = folder("messages");
    let one = PackOptions { messages_per_instance: Some(1), ..THIS_MACHINE };
    let package = pack(&repository(), FunctionApp::CommerceJourneys, Path::new(SMALL), &into, &one).unwrap();
    let json = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let mut packed = json(&package.folder.join("host.json"));
    let calls = packed.pointer_mut("/extensions/serviceBus/maxConcurrentCalls").unwrap();
    assert_eq!(calls.take(), 1);
    *calls = json!(16);
    assert_eq!(packed, json(&repository().join("host.json")), "and nothing else is different");
    let refusal = pack(&repository(), FunctionApp::PrepareData, Path::new(SMALL), &into, &one).unwrap_err();
    assert!(matches!(refusal, PackError::NoMessages), "{refusal}");
}
