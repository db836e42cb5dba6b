//! Change folders as they really are: each with its own columns, some not finished, some gone.

use prepare_data::run::{How, Layer, prepare};
use serde_json::{Value, json};

use crate::change_lake::ChangeLake;

const FIRST: &str = "2026-01-01T00.00.00Z";
const SECOND: &str = "2026-01-02T00.00.00Z";
const THIRD: &str = "2026-01-03T00.00.00Z";

fn address(recid: i64, location: i64, city: &str) -> Value {
    json!({"recid": recid, "location": location, "street": "Main", "city": city, "versionnumber": recid})
}

fn person(number: i64) -> [(&'static str, Value); 3] {
    let stamp = |mut row: Value| {
        row["recid"] = number.into();
        row["versionnumber"] = (number * 10).into();
        json!([row])
    };
    [
        ("custtable", stamp(json!({"accountnum": format!("C{number}"), "party": number}))),
        ("dirpartytable", stamp(json!({"instancerelationtype": crate::lake::PERSON}))),
        ("dirpersonname", stamp(json!({"person": number, "firstname": "Bob", "lastname": "Stone"}))),
    ]
}

#[tokio::test]
async fn each_folder_is_read_by_its_own_model() {
    let mut lake = ChangeLake::with_ada();
    lake.add(FIRST, &[("logisticspostaladdress", json!([address(20, 5, "Rome")]))]);
    // The table was removed and added again: two columns changed places, one came and one went.
    let columns = lake.columns("logisticspostaladdress");
    let place = |name: &str, columns: &[String]| columns.iter().position(|column| column == name).unwrap();
    let (street, city) = (place("street", columns), place("city", columns));
    columns.swap(street, city);
    columns.retain(|name| name != "county");
    columns.insert(1, "addedcolumn".to_owned());
    lake.add(SECOND, &[("logisticspostaladdress", json!([address(21, 6, "Oslo")]))]);
    lake.add(SECOND, &person(2));
    lake.add(SECOND, &[("dirpartytable", json!([{"recid": 2, "instancerelationtype": crate::lake::PERSON, "primaryaddresslocation": 6, "versionnumber": 20}]))]);
    lake.prepare().await;
    let columns = "customer_number, street, city";
    assert_eq!(lake.published("customers", columns).await, ["C1 | Main | Rome", "C2 | Main | Oslo"]);
}

#[tokio::test]
async fn a_table_that_the_folder_does_not_describe_is_refused() {
    let lake = ChangeLake::with_ada();
    lake.add(SECOND, &person(2));
    let model: Value = serde_json::from_str(&lake.read(&format!("{SECOND}/model.json"))).unwrap();
    let mut others = model.clone();
    others["entities"].as_array_mut().unwrap().retain(|entity| entity["name"] != "custtable");
    lake.write(&format!("{SECOND}/model.json"), others.to_string());
    let error = lake.fail().await;
    assert!(error.contains(&format!("{SECOND}/model.json does not describe custtable")), "{error}");
}

#[tokio::test]
async fn an_export_without_any_model_of_a_folder_is_refused() {
    let lake = ChangeLake::with_ada();
    std::fs::remove_file(lake.path("export").join(FIRST).join("model.json")).unwrap();
    let error = lake.fail().await;
    assert!(error.contains(FIRST) && error.contains("no model.json"), "{error}");
}

#[tokio::test]
async fn a_folder_that_the_export_did_not_finish_is_skipped_and_reported() {
    for model in [None, Some(""), Some("{\"entities\": [{\"na")] {
        let mut lake = ChangeLake::with_ada();
        lake.prepare().await;
        lake.add(SECOND, &person(2));
        lake.write(&format!("{SECOND}/custtable/2026.csv"), "cut,\"of");
        match model {
            None => std::fs::remove_file(lake.path("export").join(SECOND).join("model.json")).unwrap(),
            Some(text) => lake.write(&format!("{SECOND}/model.json"), text),
        }
        let report = lake.prepare().await;
        let skipped: Vec<_> = report.skipped_folders.iter().map(|skipped| skipped.folder.as_str()).collect();
        assert_eq!(skipped, [SECOND], "{report}");
        assert!(report.to_string().contains(&format!("skipped: {SECOND}")), "{report}");
        lake.add(THIRD, &person(2)); // the export repeats the rows
        lake.prepare().await;
        assert_eq!(lake.published("customers", "customer_number").await, ["C1", "C2"]);
    }
}

#[tokio::test]
async fn rows_that_were_written_before_a_column_was_added_are_read() {
    let mut lake = ChangeLake::with_ada();
    let narrow: String = person(2).iter().take(1).map(|(table, rows)| lake.line(table, &rows[0])).collect();
    lake.add(SECOND, &person(2));
    lake.columns("custtable").push("rating".to_owned());
    let wide = lake.line(
        "custtable",
        &json!({"recid": 1, "accountnum": "C1", "party": 1, "custgroup": "30", "versionnumber": 30, "rating": "good"}),
    );
    // The model of the folder knows the new column, or does not know it yet.
    for described in [true, false] {
        if described {
            lake.describe(SECOND);
        } else {
            lake.columns("custtable").pop();
            lake.describe(SECOND);
        }
        lake.write(&format!("{SECOND}/custtable/2026.csv"), format!("{narrow}{wide}"));
        let _ = std::fs::remove_dir_all(lake.path("out"));
        lake.prepare().await;
        assert_eq!(lake.published("customers", "customer_number, customer_group").await, ["C1 | 30", "C2 | -"]);
    }
    lake.columns("custtable").push("rating".to_owned());
    lake.describe(SECOND);
    lake.write(&format!("{SECOND}/custtable/2026.csv"), format!("{wide}{narrow}"));
    std::fs::remove_dir_all(lake.path("out")).unwrap();
    let error = lake.fail().await;
    assert!(error.contains(&format!("{SECOND}/custtable/2026.csv, line 2")), "{error}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_with_the_line_and_the_cause() {
    let mut lake = ChangeLake::with_ada();
    lake.prepare().await;
    let good = lake.line("custtable", &json!({"recid": 7, "accountnum": "C7", "party": 1, "custgroup": "a\nb"}));
    let row =
        |group: &str| lake.line("custtable", &json!({"recid": 8, "accountnum": "C8", "party": 1, "custgroup": group}));
    let latin: Vec<u8> = row("M?ller").bytes().map(|byte| if byte == b'?' { 0xFC } else { byte }).collect();
    let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let cut = row("x");
    let cases: [(Vec<u8>, u64, &str); 7] = [
        (utf16, 1, "UTF-16"),
        ([good.as_bytes(), &latin].concat(), 3, "not UTF-8 text in the column custgroup"),
        (format!("{good}{}", &cut[..cut.len() / 2]).into_bytes(), 3, "is cut"),
        (format!("{good}{}", row("x").replace("\"x\"", "\"x")).into_bytes(), 3, ""),
        (format!("{good}{}", row("x").replace("\"x\"", "\"say \\\"hi\\\" \"")).into_bytes(), 3, "quote within a value"),
        (format!("{good}{}", row("x").replace("\"x\"", "x,y")).into_bytes(), 3, "values"),
        (format!("{good}{}", row("x").trim_end().to_owned() + "\"maybe\"\r\n").into_bytes(), 3, "IsDelete"),
    ];
    for (text, line, cause) in cases {
        lake.add(SECOND, &[]);
        lake.write(&format!("{SECOND}/custtable/2026.csv"), &text);
        let error = lake.fail().await;
        assert!(error.contains(&format!("{SECOND}/custtable/2026.csv, line {line}: ")), "{error}");
        assert!(error.contains(cause), "{cause}: {error}");
        assert!(!error.contains("C8"), "values of a row are in the error: {error}");
    }
    // A first row of any length is read.
    std::fs::remove_dir_all(lake.path("out")).unwrap();
    let long = row(&"x".repeat(3 * 1024 * 1024));
    lake.write(&format!("{SECOND}/custtable/2026.csv"), format!("\u{feff}{long}{good}"));
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_number").await, ["C1", "C7", "C8"]);
}

#[tokio::test]
async fn the_newest_version_is_found_by_version_time_and_folder() {
    let mut lake = ChangeLake::with_ada();
    let at = |minute: i64| format!("1/2/2026 10:{minute:02}:00 AM");
    let row = |version: Value, minute: i64, group: &str| json!({"recid": 1, "accountnum": "C1", "party": 1, "custgroup": group, "versionnumber": version, "sinkmodifiedon": at(minute)});
    let deleted = |version: Value, minute: i64| json!({"recid": 1, "dataareaid": "", "isdelete": "True", "versionnumber": version, "sinkmodifiedon": at(minute)});
    // A delete without a version, and an insert after it, in one folder.
    lake.add(SECOND, &[("custtable", json!([deleted("".into(), 1), row(20.into(), 5, "20")]))]);
    lake.add(
        SECOND,
        &person(2).map(|(table, rows)| {
            if table == "custtable" {
                (table, json!([rows[0], deleted("".into(), 1), row(20.into(), 5, "20")]))
            } else {
                (table, rows)
            }
        }),
    );
    lake.prepare().await;
    let groups = "customer_number, customer_group";
    assert_eq!(lake.published("customers", groups).await, ["C1 | 20", "C2 | -"]);
    // An older version is committed again in a later folder: it changes nothing, now and in a whole run.
    lake.add(THIRD, &[("custtable", json!([row(15.into(), 7, "15")]))]);
    lake.prepare().await;
    assert_eq!(lake.published("customers", groups).await, ["C1 | 20", "C2 | -"]);
    lake.assert_as_whole("customers").await;
    // The same after a delete.
    lake.add("2026-01-04T00.00.00Z", &[("custtable", json!([deleted("".into(), 10)]))]);
    lake.prepare().await;
    lake.add("2026-01-05T00.00.00Z", &[("custtable", json!([row(20.into(), 5, "20")]))]);
    lake.prepare().await;
    assert_eq!(lake.published("customers", groups).await, ["C2 | -"]);
    lake.assert_as_whole("customers").await;
    // A newer version brings the row back.
    lake.add("2026-01-06T00.00.00Z", &[("custtable", json!([row(40.into(), 20, "40")]))]);
    lake.prepare().await;
    assert_eq!(lake.published("customers", groups).await, ["C1 | 40", "C2 | -"]);
    lake.assert_as_whole("customers").await;
}

#[tokio::test]
async fn names_are_found_whatever_their_case() {
    let mut lake = ChangeLake::with_ada();
    let export = lake.path("export");
    std::fs::rename(export.join(FIRST).join("custtable"), export.join(FIRST).join("CustTable")).unwrap();
    std::fs::rename(export.join(FIRST).join("dirpersonname"), export.join(FIRST).join("DIRPERSONNAME")).unwrap();
    std::fs::rename(export.join("Changelog"), export.join("changelog")).unwrap();
    std::fs::rename(export.join(FIRST).join("model.json"), export.join(FIRST).join("Model.json")).unwrap();
    lake.prepare().await;
    assert_eq!(lake.published("customers", "customer_number").await, ["C1"]);
}

#[tokio::test]
async fn an_export_of_which_nothing_is_read_stops_the_run() {
    for changelog in [None, Some(FIRST), Some("2025-12-01T00.00.00Z")] {
        let lake = ChangeLake::with_ada();
        match changelog {
            None => std::fs::remove_file(lake.path("export/Changelog/changelog.info")).unwrap(),
            Some(active) => lake.write("Changelog/changelog.info", active),
        }
        let error = lake.fail().await;
        assert!(error.contains("nothing was read") && error.contains("hangelog.info"), "{error}");
    }
    let lake = ChangeLake::new();
    lake.add(FIRST, &[("salestable", json!([{"recid": 1, "salesid": "S1", "custaccount": "C1"}]))]);
    let report = prepare(&lake.settings("out")).await.unwrap();
    assert_eq!(report.problems.iter().map(|problem| problem.rule).collect::<Vec<_>>(), ["empty_profile"], "{report}");
    assert!(report.problems[0].message.contains("no row of custtable"), "{report}");
}

#[tokio::test]
async fn deleted_change_folders_leave_the_stored_rows_as_the_base() {
    let mut lake = ChangeLake::with_ada();
    for number in 2..26 {
        lake.add(&format!("2026-01-01T00.{number:02}.00Z"), &person(number));
    }
    lake.prepare().await;
    lake.add(SECOND, &person(26));
    for entry in std::fs::read_dir(lake.path("export")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().starts_with("2026-01-01") {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    lake.now += chrono::TimeDelta::days(8);
    let report = lake.prepare().await;
    assert!(report.reconciled, "{report}");
    assert_ne!(report.table(Layer::Silver, "custtable").unwrap().how, How::Whole, "{report}");
    assert_eq!(lake.published("customers", "customer_number").await.len(), 26);
    // Without the state of the last run, the run stops, and its message proposes nothing that would remove rows.
    std::fs::remove_file(lake.path("out/state/state.json")).unwrap();
    let report = prepare(&lake.settings("out")).await.unwrap();
    assert_eq!(report.problems[0].rule, "row_loss", "{report}");
    let text = report.to_string();
    assert!(text.contains("change folders that were deleted") && !text.contains("--vanishing-share"), "{text}");
}

#[tokio::test]
async fn rows_without_an_id_are_refused_in_every_run() {
    let nameless = json!([{"id": "", "recid": 9, "accountnum": "C9", "party": 1, "versionnumber": 90}]);
    let lake = ChangeLake::with_ada();
    lake.add(SECOND, &[("custtable", nameless.clone())]);
    let first = prepare(&lake.settings("out")).await.unwrap();
    let mut lake = ChangeLake::with_ada();
    lake.prepare().await;
    lake.add(SECOND, &[("custtable", nameless)]);
    let later = prepare(&lake.settings("out")).await.unwrap();
    let found = |report: &prepare_data::run::Report| {
        report.problems.iter().map(|problem| (problem.rule, problem.message.clone())).collect::<Vec<_>>()
    };
    assert_eq!(found(&first)[0].0, "keys", "{first}");
    assert_eq!(found(&first), found(&later), "{later}");
}

#[tokio::test]
async fn labels_of_enums_are_understood_and_unknown_ones_count_as_no_purchase() {
    let mut lake = ChangeLake::with_ada();
    let order = |number: i64, status: &str| json!({"recid": number, "salesid": format!("S{number}"), "custaccount": "C1", "salesstatus": status});
    let line = |number: i64| json!({"recid": number, "salesid": format!("S{number}"), "salesqty": 1, "lineamount": 5, "salesstatus": "Open order"});
    lake.add(
        SECOND,
        &[
            (
                "salestable",
                json!([order(1, "Canceled"), order(2, "Invoiced"), order(3, "Lost"), order(4, "Open order")]),
            ),
            ("salesline", json!([line(1), line(2), line(3), line(4)])),
        ],
    );
    let report = lake.prepare().await;
    assert_eq!(
        lake.published("sales_orders", "order_number, order_status, is_purchase").await,
        ["S1 | canceled | false", "S2 | invoiced | true", "S3 | unknown | false", "S4 | open | true"]
    );
    assert_eq!(report.rejected.get("unreadable_salesstatus"), Some(&1), "{report}");
}

#[tokio::test]
async fn labels_are_understood_as_the_lists_of_the_export_translate_them() {
    let row = |number: i64, status: &str, label: &str| format!("{status},{number},False,1031,{label},SalesStatus,");
    let global = |column: &str| {
        [(4, "\"Storniert, endg\u{fc}ltig\""), (3, "Fakturiert"), (1, "Offen"), (2, "Offen")]
            .map(|(number, label)| row(number, column, label) + "SalesTable,,\n")
            .concat()
    };
    let local = "SalesLine,SalesStatus,4,False,1031,Storniert\r\n";
    for place in [&format!("{SECOND}/"), "2026-12-01T00.00.00Z/", ""] {
        let mut lake = ChangeLake::with_ada();
        lake.write(&format!("{place}OptionsetMetadata/GlobalOptionsetMetadata.csv"), global("SalesStatus"));
        lake.write(&format!("{place}OptionsetMetadata/OptionsetMetadata.csv"), local);
        let order = |number: i64, status: &str| json!({"recid": number, "salesid": format!("S{number}"), "custaccount": "C1", "salesstatus": status});
        let line = |number: i64, status: &str| json!({"recid": number, "salesid": format!("S{number}"), "salesqty": 1, "lineamount": 5, "salesstatus": status});
        let orders =
            [order(1, "Storniert, endg\u{fc}ltig"), order(2, "Fakturiert"), order(3, "Offen"), order(4, "Invoiced")];
        let lines = [line(1, "Open order"), line(2, "Open order"), line(3, "Open order"), line(4, "Storniert")];
        lake.add(SECOND, &[("salestable", json!(orders)), ("salesline", json!(lines))]);
        lake.prepare().await;
        assert_eq!(
            lake.published("sales_orders", "order_number, order_status, is_purchase").await,
            ["S1 | canceled | false", "S2 | invoiced | true", "S3 | unknown | false", "S4 | invoiced | false"],
            "{place}"
        );
        assert_eq!(
            lake.published("sales_order_lines", "order_number, line_status").await,
            ["S1 | canceled", "S2 | open", "S3 | open", "S4 | canceled"],
            "{place}"
        );
    }
}
