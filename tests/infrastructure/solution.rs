//! The Dataverse solution: the security role, from the same list of privileges as the check uses.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use commerce_journeys::check::{DUAL_WRITE_PRIVILEGES, PRIVILEGES};
use xtask::solution::{DualWrite, pack_solution};
use zip::ZipArchive;

use crate::{file, repository};

fn packed(name: &str, dual_write: DualWrite) -> ZipArchive<File> {
    let into = Path::new(env!("CARGO_TARGET_TMPDIR")).join("solution").join(name);
    let archive = pack_solution(&repository(""), &into, dual_write).unwrap();
    ZipArchive::new(File::open(archive).unwrap()).unwrap()
}

fn text(archive: &mut ZipArchive<File>, name: &str) -> String {
    let mut text = String::new();
    archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// The privileges of the role, with their level.
fn privileges(customizations: &str) -> BTreeSet<&str> {
    let rows = customizations.lines().filter_map(|line| line.trim().strip_prefix("<RolePrivilege name=\""));
    rows.map(|row| row.strip_suffix("\" level=\"Global\" />").unwrap()).collect()
}

#[test]
fn the_role_has_the_privileges_of_the_check() {
    let mut archive = packed("all", DualWrite::Installed);
    let names: BTreeSet<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, ["[Content_Types].xml", "customizations.xml", "solution.xml"].map(str::to_owned).into());
    let customizations = text(&mut archive, "customizations.xml");
    assert_eq!(privileges(&customizations), PRIVILEGES.into_iter().chain(DUAL_WRITE_PRIVILEGES).collect());
    let customizations = text(&mut packed("without", DualWrite::Absent), "customizations.xml");
    assert_eq!(privileges(&customizations), PRIVILEGES.into());
}

#[test]
fn the_manifest_names_the_role_and_the_version() {
    let mut archive = packed("manifest", DualWrite::Installed);
    let (manifest, customizations) = (text(&mut archive, "solution.xml"), text(&mut archive, "customizations.xml"));
    let version = format!("<Version>{}.0</Version>", env!("CARGO_PKG_VERSION"));
    assert!(manifest.contains(&version), "{manifest}");
    let id = manifest.split("type=\"20\" id=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(customizations.contains(&format!("<Role id=\"{id}\" name=\"Commerce Journeys\"")), "{customizations}");
    for text in [manifest, customizations] {
        assert!(!text.contains("{version}") && !text.contains("{privileges}"));
    }
}

/// The page lists the role for those who make it by hand.
#[test]
fn the_page_lists_the_same_privileges() {
    let page = file("docs/deployment.md");
    let table = page.split("| table | privileges |").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |table_name: &str| table.lines().find(|line| line.contains(table_name)).unwrap_or_default();
    for privilege in PRIVILEGES.into_iter().chain(DUAL_WRITE_PRIVILEGES) {
        let name = privilege.strip_prefix("prv").unwrap();
        let verbs = [
            ("AppendTo", "Append To"),
            ("Append", "Append"),
            ("Create", "Create"),
            ("Read", "Read"),
            ("Write", "Write"),
        ];
        let (verb, shown) = verbs.into_iter().find(|(verb, _)| name.starts_with(verb)).unwrap();
        let shown_table = match name.strip_prefix(verb).unwrap() {
            "Contact" => "`contact`",
            "cdm_company" => "`cdm_company`",
            "msdyn_customergroup" => "`msdyn_customergroup`",
            "CustomAPI" => "Custom API,",
            "CustomAPIRequestParameter" => "Custom API Request Parameter",
            "User" => "User |",
            other => panic!("{other}"),
        };
        assert!(row(shown_table).contains(shown), "{privilege}: {table}");
    }
}
