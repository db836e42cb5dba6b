//! The CSV form: change folders, the one that is still being written, and values that delimited files stumble over.

use std::fs;

use sample_lake::{FolderNames, Format, Options, change};

use crate::lake::{Lake, files, small};

fn options() -> Options {
    Options { format: Format::Csv, ..small() }
}

#[tokio::test]
async fn the_active_folder_holds_rows_that_must_not_be_read() {
    let lake = Lake::of(options()).await;
    let active = fs::read_to_string(lake.folder().join("Changelog/changelog.info")).unwrap();
    assert_eq!(active, "2026-11-15T00.00.00Z");
    let unfinished = files(&lake.folder().join(&active).join("custtable"));
    assert!(fs::read_to_string(&unfinished[0]).unwrap().ends_with("\"half"));

    change(lake.folder(), 0.05, 1).await.unwrap();

    let next = fs::read_to_string(lake.folder().join("Changelog/changelog.info")).unwrap();
    assert_eq!(next, "2026-11-16T00.00.00Z");
    let done: Vec<_> = lake.change_folders();
    assert!(done.last().unwrap().ends_with(&active));
    let look = lake.look_at_csv(&["custtable"]).await;
    assert!(look.count("select count(*) from raw_custtable where folder = '2026-11-15T00.00.00Z'").await > 0);
    let log = fs::read_to_string(lake.folder().join("Changelog/Synapse.log")).unwrap();
    assert_eq!(log.lines().count(), done.len());
}

#[tokio::test]
async fn a_retry_left_an_empty_folder() {
    let lake = Lake::of(options()).await;
    let empty = lake.change_folders().into_iter().filter(|folder| files(folder).is_empty());
    assert_eq!(empty.count(), 1);
}

#[tokio::test]
async fn cells_hold_newlines_quotes_and_commas() {
    let lake = Lake::of(options()).await;
    let look = lake.look_at_csv(&["logisticspostaladdress", "dirpartytable", "salestable"]).await;
    let held = [
        "select count(*) from raw_logisticspostaladdress where address like '%,%' and strpos(address, chr(10)) > 0",
        "select count(*) from raw_dirpartytable where name like '%\"%'",
        "select count(*) from raw_salestable where strpos(customerref, chr(10)) > 0 and customerref like '%\"%'",
    ];
    for sql in held {
        assert!(look.count(sql).await > 0, "{sql}");
    }
}

#[tokio::test]
async fn deletes_tell_their_id_only() {
    let lake = Lake::of(options()).await;
    let look = lake.look_at_csv(&["salesline"]).await;
    let later = "folder > '2026-11-14T21.00.00Z'";
    let deletes =
        format!("select count(*) from raw_salesline where \"IsDelete\" = 'true' and {later} and versionnumber = ''");
    assert!(look.count(&deletes).await > 0);
    let beside =
        "select count(*) from raw_salesline d join raw_salesline r on r.\"Id\" = d.\"Id\" and r.folder = d.folder
        where d.\"IsDelete\" = 'true' and d.versionnumber = '' and r.\"IsDelete\" = ''";
    assert!(look.count(beside).await > 0);
    let telling = "select count(*) from raw_salesline where \"IsDelete\" = 'true' and (salesid <> '' or recid <> '' or dataareaid <> '')";
    assert_eq!(look.count(telling).await, 0);
}

#[tokio::test]
async fn files_are_by_year_and_model_json_lists_them() {
    let lake = Lake::of(options()).await;
    let first = &lake.change_folders()[0];
    let names: Vec<_> = files(&first.join("salestable"))
        .into_iter()
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(names.contains(&"2025.csv".to_owned()) && names.contains(&"2025_001.csv".to_owned()), "{names:?}");
    let model = fs::read_to_string(first.join("model.json")).unwrap();
    let location = |name: &String| format!("{}/salestable/{name}", first.file_name().unwrap().to_string_lossy());
    assert!(names.iter().all(|name| model.contains(&location(name))));
    assert!(model.contains("\"is.dataFormat.numeric.shaped\""));
}

#[tokio::test]
async fn folders_can_be_named_as_documented() {
    let named = Options { folder_names: FolderNames::Colons, customers: 20, lines: 50, ..options() };
    let lake = Lake::of(named).await;
    assert!(lake.folder().join("2026-11-14T21:00:00.000Z/custtable").is_dir());
    assert_eq!(fs::read_to_string(lake.folder().join("Changelog/changelog.info")).unwrap(), "2026-11-15T00:00:00.000Z");
}
