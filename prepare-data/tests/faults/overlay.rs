//! Own columns and own tables over the shipped SQL files.

use std::path::{Path, PathBuf};

use prepare_data::dictionary;
use prepare_data::overlay::check;
use prepare_data::run::{How, Layer};
use prepare_data::settings::Settings;
use prepare_data::sql::Catalog;
use prepare_data::{Error, OverlayError};
use serde_json::{Value, json};

use crate::lake::{Lake, lines};

const CUSTOMERS: &str = "customer_id, last_name, classification, open_order_count";

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/overlay")
}

fn with(overlay: PathBuf) -> impl FnOnce(&mut Settings) {
    move |settings| settings.sql_overlay = Some(overlay)
}

/// A folder of SQL files that is a copy of another one, with some files changed.
fn copied(from: &Path, to: PathBuf, changes: &[(&str, &str, &str)]) -> PathBuf {
    copy(from, &to);
    for (file, old, new) in changes {
        let text = std::fs::read_to_string(to.join(file)).unwrap();
        assert!(text.contains(old), "{file} has no {old}");
        std::fs::write(to.join(file), text.replacen(old, new, 1)).unwrap();
    }
    to
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn order(number: &str, account: &str, status: i32) -> Value {
    json!({"salesid": number, "custaccount": account, "salesstatus": status})
}

#[tokio::test]
async fn own_columns_and_tables_are_kept_up_to_date_and_survive_new_shipped_files() {
    let mut lake = Lake::with(Catalog::load_with(None, Some(&example())).unwrap());
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add_person(2, "C2", "Grace", "Hopper", json!({}))
        .add_person(3, "C3", "Emmy", "Noether", json!({}))
        .add("salestable", json!([order("S1", "c1", 1), order("S2", "C1", 3)]))
        .add("custgroup", json!([{"custgroup": "10", "name": " Wholesale "}]));
    let report = lake.run(with(example())).await;
    assert!(report.published_all(), "{report}");
    let of = |name: &str, open: i32| format!("usmf-{name} | - | {open}");
    let first = [of("C1 | Lovelace", 1), of("C2 | Hopper", 0), of("C3 | Noether", 0)];
    assert_eq!(lake.published("customers", CUSTOMERS).await, first);
    assert_eq!(lake.published("customer_groups", "group_name, customer_count").await, ["Wholesale | 0"]);
    assert_eq!(report.overlay.columns["customers"], ["classification", "open_order_count"]);
    assert_eq!(report.overlay.tables, ["customer_groups"]);
    assert!(report.to_string().contains("own columns of customers: classification"), "{report}");

    // An order changes an own column and no shipped one; a party changes a shipped one; a customer changes both.
    let custtable =
        json!([{"recid": 2, "accountnum": "C2", "party": 2, "custclassificationid": "A", "custgroup": "10"}]);
    lake.add("salestable", json!([order("S3", "C3", 1)]))
        .add("dirpersonname", json!([{"recid": 1, "person": 1, "firstname": "Ada", "lastname": "King"}]))
        .add("custtable", custtable);
    let report = lake.run(with(example())).await;
    let customers = report.table(Layer::Gold, "customers").unwrap();
    assert_eq!((customers.how, customers.counts.updated, customers.counts.after), (How::Changes, 3, 3), "{report}");
    assert_eq!(report.table(Layer::Gold, "sales_orders").unwrap().how, How::Changes, "{report}");
    let second = ["usmf-C1 | King | - | 1", "usmf-C2 | Hopper | A | 0", "usmf-C3 | Noether | - | 1"];
    assert_eq!(lake.published("customers", CUSTOMERS).await, second);
    assert_eq!(lake.published("customer_groups", "customer_count").await, ["1"]);

    // Nothing but an order: the shipped columns need no row, and what is published is what a whole run publishes.
    lake.add("salestable", json!([order("S4", "C3", 1)]));
    let report = lake.run(with(example())).await;
    let customers = report.table(Layer::Gold, "customers").unwrap();
    assert_eq!((customers.how, customers.counts.updated), (How::Changes, 1), "{report}");
    let kept = (lines(&lake.open("gold/customers").await, "*").await, lake.rejected().await);
    let again = lake.run(with(example())).await;
    assert_eq!(again.table(Layer::Gold, "customers").unwrap().how, How::Unchanged, "{again}");
    let whole = lake.run(|settings| {
        with(example())(settings);
        settings.full = true;
    });
    let whole = whole.await;
    assert!(!whole.table(Layer::Gold, "customers").unwrap().changed(), "{whole}");
    assert_eq!((lines(&lake.open("gold/customers").await, "*").await, lake.rejected().await), kept);

    // New shipped files bring a column.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let new =
        ("gold/customers.sql", "persons.custgroup as", "'new' as shipped_later, -- Later\n    persons.custgroup as");
    let upgraded = copied(&shipped, lake.path("upgraded"), &[new]);
    let upgrade = |overlay: PathBuf| {
        move |settings: &mut Settings| {
            (settings.sql, settings.sql_overlay) = (Some(upgraded), Some(overlay));
        }
    };
    // The overlay changes at the same time: its text is part of what a table depends on.
    let statuses = ("gold/customers.columns.sql", "where salesstatus = 1", "where salesstatus in (1, 3)");
    let overlay = copied(&example(), lake.path("changed"), &[statuses]);
    let report = lake.run(upgrade(overlay)).await;
    assert!(report.table(Layer::Gold, "customers").unwrap().columns_change, "{report}");
    let columns = "customer_id, shipped_later, classification, open_order_count";
    let third = ["usmf-C1 | new | - | 2", "usmf-C2 | new | A | 0", "usmf-C3 | new | - | 2"];
    assert_eq!(lake.published("customers", columns).await, third);
}

#[tokio::test]
async fn an_overlay_that_repeats_rows_publishes_nothing() {
    let mut lake = Lake::with(Catalog::load_with(None, Some(&example())).unwrap());
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({})).add("salestable", json!([order("S1", "C1", 1)]));
    lake.add("salestable", json!([order("S2", "C1", 1)]));
    let each = (
        "gold/customers.columns.sql",
        "group by dataareaid, lower(custaccount)",
        "group by dataareaid, custaccount, salesid",
    );
    let each = [each, ("gold/customers.columns.sql", "lower(custaccount) as", "lower(max(custaccount)) as")];
    let outer = ("gold/customers.columns.sql", "group by customers.dataareaid, customers.accountnum\n", "");
    let plain = [
        ("gold/customers.columns.sql", "max(customers.custclassificationid)", "customers.custclassificationid"),
        ("gold/customers.columns.sql", "max(open_orders.order_count)", "open_orders.order_count"),
    ];
    let changes: Vec<_> = each.into_iter().chain([outer]).chain(plain).collect();
    let overlay = copied(&example(), lake.path("repeating"), &changes);
    let error = lake.try_run(with(overlay)).await.unwrap_err();
    assert!(matches!(&error, Error::Overlay(OverlayError::RepeatedKey { keys: 1, .. })), "{error}");
    for part in ["customers.columns.sql", "as usmf-C1", "Nothing was published"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!lake.path("out/gold/customers/_delta_log").exists());
}

#[tokio::test]
async fn a_wrong_overlay_is_refused_before_rows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let columns = "gold/customers.columns.sql";
    let cases = [
        ("taken", (columns, "as classification,", "as city,"), "customers has a column city already"),
        ("undeclared", (columns, "-- reads: custtable, salestable", "-- reads: custtable"), "reads salestable"),
        ("keyless", (columns, "as customer_id,", "as id,"), "has to select the key `customer_id` (Utf8)"),
        ("source", ("sources.json", "custclassificationid", "accountnum"), "custtable has a column accountnum already"),
        (
            "unreadable",
            (columns, "cast(coalesce(max(open_orders.order_count), 0) as int)", "1.5"),
            "has the type Float64",
        ),
    ];
    for (name, change, message) in cases {
        let overlay = copied(&example(), folder.path().join(name), &[change]);
        let refused = async { check(&Catalog::load_with(None, Some(&overlay))?).await };
        let error = refused.await.unwrap_err().to_string();
        assert!(error.contains(message), "{name}: {error}");
    }
    let check_file = folder.path().join("check/checks/empty_groups.sql");
    std::fs::create_dir_all(check_file.parent().unwrap()).unwrap();
    std::fs::write(check_file, "-- Groups.\n-- reads: customers\nselect count(*) as gaps from customers").unwrap();
    let error = check(&Catalog::load_with(None, Some(&folder.path().join("check"))).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("two columns of type bigint"), "{error}");
    let nowhere = Catalog::load_with(None, Some(&folder.path().join("nowhere"))).unwrap_err().to_string();
    assert!(nowhere.contains("cannot read") && nowhere.contains("--sql-overlay"), "{nowhere}");

    // A shipped column of the name comes with new shipped files.
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let same = ("gold/customers.sql", "as customer_group,", "as classification,");
    let upgraded = copied(&shipped, folder.path().join("upgraded"), &[same]);
    let catalog = Catalog::load_with(Some(&upgraded), Some(&example())).unwrap();
    let error = check(&catalog).await.unwrap_err().to_string();
    assert!(error.contains("customers has a column classification already, from the shipped files"), "{error}");
}

#[test]
fn the_page_shows_the_files_of_the_example() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lake/own-sql.md")).unwrap();
    let overlay = ["sources.json", "silver/custgroup.sql", "gold/customers.columns.sql", "gold/customer_groups.sql"];
    let case = ["input/custtable.csv", "input/salestable.csv", "expected/customers.csv", "change/input/salestable.csv"];
    let cases = example().with_file_name("overlay-tests").join("open-orders");
    let files = overlay.map(|file| (example(), file)).into_iter().chain(case.map(|file| (cases.clone(), file)));
    for (folder, file) in files {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(
            page.contains(&format!("{file}`")) && page.contains(&text),
            "docs/lake/own-sql.md shows another {file}"
        );
    }
}

#[tokio::test]
async fn the_dictionary_lists_what_an_overlay_adds() {
    let page = dictionary::markdown(&Catalog::load_with(None, Some(&example())).unwrap()).await.unwrap();
    for part in [
        "| `classification` | string | Classification group of the customer |",
        "The last columns are of the overlay: The classification of each customer",
        "## customer_groups",
        "A table of the overlay.",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert_eq!(page.matches("| `customer_group_id` |").count(), 1);
}
