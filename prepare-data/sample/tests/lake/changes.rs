//! A shop that goes on: the second state of a lake, and the purge.

use std::{collections::BTreeSet, fs, path::Path};

use sample_lake::{Format, Options, change, purge};

use crate::lake::{Lake, Look, contents, files, small};

#[tokio::test]
async fn a_change_touches_what_changed_and_nothing_else() {
    let lake = Lake::delta(small()).await;
    const TABLES: &[&str] = &["custtable", "salestable", "salesline", "retailtransactiontable"];
    let (files_before, before) = (contents(lake.folder()), lake.look(TABLES).await);

    change(lake.folder(), 0.02, 1).await.unwrap();

    let (files_after, after) = (contents(lake.folder()), lake.look(TABLES).await);
    let kept = |name: &Path| name.ends_with("sample.json") || files_after.get(name) == files_before.get(name);
    assert!(files_before.keys().all(|name| kept(name)), "old files stay as they were");
    let highest = before.count("select max(versionnumber) from raw_salestable").await;
    let newer = format!("select count(*) from raw_salestable where versionnumber > {highest}");
    assert_eq!(after.count(&newer).await, changed(&after, "salestable").await);
    for table in TABLES {
        assert!(changed(&after, table).await > 0, "nothing changed in {table}");
        assert!(present(&after, table).await > present(&before, table).await, "nothing new in {table}");
    }

    let log = |table: &str| lake.folder().join("deltalake").join(table).join("_delta_log");
    assert_eq!((files(&log("salestable")).len(), files(&log("ecorescategory")).len()), (2, 1));
    let commit = fs::read_to_string(log("salestable").join("00000000000000000001.json")).unwrap();
    let (added, removed) = (commit.matches("{\"add\":").count(), commit.matches("{\"remove\":").count());
    assert!(added > removed && (1..4).contains(&removed), "{added} added, {removed} removed");
}

#[tokio::test]
async fn about_as_much_changes_as_asked_for() {
    let lake = Lake::delta(Options { customers: 2_000, lines: 12_000, dirt: 0.0, ..small() }).await;
    change(lake.folder(), 0.02, 1).await.unwrap();
    let look = lake
        .look(&[
            "custtable",
            "dirpartytable",
            "logisticselectronicaddress",
            "logisticspostaladdress",
            "retailtransactionsalestrans",
            "salesline",
        ])
        .await;

    let customers = changed(&look, "dirpartytable").await
        + changed(&look, "custtable").await
        + changed(&look, "logisticselectronicaddress").await
        + changed(&look, "logisticspostaladdress").await;
    assert!((60..300).contains(&customers), "{customers} rows of 40 customers");
    let lines = changed(&look, "salesline").await + changed(&look, "retailtransactionsalestrans").await;
    assert!((180..300).contains(&lines), "{lines} lines instead of 240");
}

#[tokio::test]
async fn both_forms_tell_the_same_at_every_step() {
    const TABLES: &[&str] = &[
        "custtable",
        "dirpartytable",
        "dirpersonname",
        "logisticspostaladdress",
        "retailloyaltycardrewardpointtrans",
        "retailtransactiontable",
        "salesline",
    ];
    let options = Options { customers: 150, lines: 1_200, ..small() };
    let delta = Lake::delta(options.clone()).await;
    let csv = Lake::of(Options { format: Format::Csv, ..options }).await;
    for changes in 0..3 {
        let (one, other) = (delta.look(TABLES).await, csv.look_at_csv(TABLES).await);
        for table in TABLES {
            let sum = format!(
                "select sum(1000000 + cast(recid as bigint) % 1009 + cast(versionnumber as bigint) % 1009)
                from present_{table}"
            );
            assert_eq!(one.count(&sum).await, other.count(&sum).await, "{table} after {changes} changes");
        }
        change(delta.folder(), 0.1, 2).await.unwrap();
        change(csv.folder(), 0.1, 2).await.unwrap();
    }
}

#[tokio::test]
async fn changes_are_repeatable_and_leave_older_folders_alone() {
    for format in [Format::Delta, Format::Csv] {
        let options = Options { format, customers: 120, lines: 900, ..small() };
        let (one, other) = (Lake::of(options.clone()).await, Lake::of(options).await);
        for lake in [&one, &other] {
            change(lake.folder(), 0.05, 1).await.unwrap();
            change(lake.folder(), 0.02, 3).await.unwrap();
        }
        assert_eq!(contents(one.folder()), contents(other.folder()), "{format:?}");
    }
}

#[tokio::test]
async fn a_purge_takes_old_deletes_and_nothing_that_lives() {
    let lake = Lake::delta(small()).await;
    change(lake.folder(), 0.02, 20).await.unwrap();
    const TABLES: &[&str] = &["custtable", "salestable", "salesline", "dirpartytable", "retailtransactiontable"];
    let before = lake.look(TABLES).await;

    purge(lake.folder()).await.unwrap();

    let after = lake.look(TABLES).await;
    for table in TABLES {
        assert_eq!(present(&after, table).await, present(&before, table).await, "{table}");
        let old = format!(
            r#"select count(*) from raw_{table}
            where "IsDelete" and "SinkModifiedOn" < timestamp '2026-11-07T00:00:00Z'"#
        );
        assert!(before.count(&old).await > 0, "{table} had no old deletes");
        assert_eq!(after.count(&old).await, 0, "{table}");
    }
    assert!(after.count(r#"select count(*) from raw_salesline where "IsDelete""#).await > 0, "young deletes stay");

    let again = purge(lake.folder()).await.unwrap();
    assert!(again.tables.iter().all(|table| table.files == 0), "{again}");
    change(lake.folder(), 0.01, 1).await.unwrap();
}

#[tokio::test]
async fn customers_change_names_addresses_and_emails() {
    let lake = Lake::delta(small()).await;
    let lists = [
        ("dirpersonname", "select count(distinct lastname) from raw_dirpersonname where \"IsDelete\" = false"),
        ("logisticspostaladdress", "select count(*) from raw_logisticspostaladdress where \"IsDelete\" = false"),
        (
            "logisticselectronicaddress",
            "select count(*) from raw_logisticselectronicaddress where \"IsDelete\" = false and locator like '%example.org%'",
        ),
        ("custtable", "select count(*) from raw_custtable where \"IsDelete\" = false and custgroup <> '10'"),
    ];
    for _ in 0..2 {
        change(lake.folder(), 0.2, 1).await.unwrap();
    }
    let look = lake.look(&["custtable", "dirpersonname", "logisticselectronicaddress", "logisticspostaladdress"]).await;
    for (table, sql) in lists {
        assert!(look.count(sql).await > 0, "{table}");
    }
    let closed = "select count(*) from raw_dirpersonname a join raw_dirpersonname b on a.person = b.person
        where a.\"IsDelete\" = false and b.\"IsDelete\" = false and b.validfrom = a.validto + interval '1 second'";
    assert!(look.count(closed).await > 0, "a new name must end the one before");
}

#[tokio::test]
async fn the_smallest_lake_goes_on_too() {
    for format in [Format::Delta, Format::Csv] {
        let lake = Lake::of(Options { format, customers: 3, lines: 1, ..small() }).await;
        for _ in 0..3 {
            change(lake.folder(), 1.0, 1).await.unwrap();
        }
        purge(lake.folder()).await.unwrap();
    }
}

/// The state is written last: after a crash before that, the same change is made again.
#[tokio::test]
async fn a_change_that_was_cut_short_is_made_again() {
    let lake = Lake::delta(Options { customers: 60, lines: 300, ..small() }).await;
    let state = lake.folder().join("sample.json");
    let before = fs::read(&state).unwrap();
    change(lake.folder(), 0.1, 1).await.unwrap();
    let once = (contents(lake.folder()), lake.look(&["salesline"]).await);

    fs::write(&state, before).unwrap();
    change(lake.folder(), 0.1, 1).await.unwrap();

    assert_eq!(contents(lake.folder()), once.0);
    let rows = "select count(*) from raw_salesline";
    assert_eq!(lake.look(&["salesline"]).await.count(rows).await, once.1.count(rows).await);
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused() {
    let lake = Lake::delta(Options { customers: 20, lines: 50, ..small() }).await;
    let before: BTreeSet<_> = contents(lake.folder()).into_iter().collect();
    change(lake.folder(), 1.5, 1).await.unwrap_err();
    change(lake.folder(), 0.1, 0).await.unwrap_err();
    change(tempfile::tempdir().unwrap().path(), 0.1, 1).await.unwrap_err();
    assert_eq!(before, contents(lake.folder()).into_iter().collect());
}

async fn present(look: &Look, table: &str) -> i64 {
    look.count(&format!("select count(*) from present_{table}")).await
}

/// Rows that the export wrote after the first state.
async fn changed(look: &Look, table: &str) -> i64 {
    let sql = format!(r#"select count(*) from raw_{table} where "SinkModifiedOn" > timestamp '2026-11-15T00:00:00Z'"#);
    look.count(&sql).await
}
