//! A run that looks only at what changed publishes what a run that looks at everything does.

use prepare_data::run::{How, Layer};
use prepare_data::settings::Layers;
use sample_lake::Format;

use crate::lake::Lake;

const ALL: [&str; 3] = ["silver", "gold", "quality"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_in_delta_tables_is_what_a_whole_run_would_publish() {
    publishes_what_a_whole_run_would(Format::Delta).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_in_change_folders_is_what_a_whole_run_would_publish() {
    publishes_what_a_whole_run_would(Format::Csv).await;
}

async fn publishes_what_a_whole_run_would(format: Format) {
    let mut lake = Lake::prepared_complete(format, "kept").await;
    for _ in 0..2 {
        lake.goes_on().await;
        let report = lake.prepare("kept").await;
        let customers = report.table(Layer::Gold, "customers").unwrap();
        assert_eq!(customers.how, How::Changes, "{report}");
        assert!(report.table(Layer::Silver, "salesline").unwrap().changed(), "{report}");
    }
    lake.prepare("afresh").await;
    lake.assert_equal("kept", "afresh", &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_cannot_be_read_is_told_of_in_the_run_that_reads_it() {
    let mut lake = Lake::new(Format::Csv).await;
    lake.spoil("salesline", "salesqty");
    let report = lake.prepare("kept").await;
    assert_eq!(report.rejected.get("unreadable_salesqty"), Some(&1), "{report}");
    lake.goes_on().await;
    lake.spoil("salesline", "salesqty");
    let report = lake.prepare("kept").await;
    assert_eq!(report.table(Layer::Quality, "rejected").map(|table| table.how), Some(How::Changes), "{report}");
    assert_eq!(report.rejected.get("unreadable_salesqty"), Some(&2), "{report}");
    lake.prepare("afresh").await;
    lake.assert_equal("kept", "afresh", &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_forms_of_an_export_publish_the_same() {
    let delta = Lake::prepared_complete(Format::Delta, "out").await;
    let csv = Lake::prepared_complete(Format::Csv, "out").await;
    let (one, other) = (delta.tables("out", "gold").await, csv.tables("out", "gold").await);
    assert_eq!(one, other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unchanged_export_makes_no_version() {
    let lake = Lake::prepared(Format::Delta, "out").await;
    let before = lake.versions("out").await;
    lake.prepare("out").await;
    assert_eq!(lake.versions("out").await, before);
    let mut settings = lake.settings("out");
    settings.full = true;
    assert!(prepare_data::run::prepare(&settings).await.unwrap().reconciled);
    assert_eq!(lake.versions("out").await, before, "a whole comparison finds nothing either");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_layers_publish_what_three_do() {
    let mut lake = Lake::new(Format::Delta).await;
    let mut settings = lake.settings("two");
    settings.layers = Layers::Two;
    prepare_data::run::prepare(&settings).await.unwrap();
    lake.goes_on().await;
    settings.as_of = Some(lake.now());
    prepare_data::run::prepare(&settings).await.unwrap();
    lake.prepare("three").await;
    lake.assert_equal("two", "three", &["gold", "quality"]).await;
    assert!(!lake.results("two").join("silver").exists(), "silver was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_were_purged_before_a_run_saw_their_delete_go_too() {
    let mut lake = Lake::prepared(Format::Delta, "kept").await;
    for _ in 0..3 {
        lake.goes_on().await;
    }
    sample_lake::change(&lake.export(), 0.02, 40).await.unwrap();
    sample_lake::purge(&lake.export()).await.unwrap();
    let mut settings = lake.settings("kept");
    settings.as_of = Some(lake.now() + chrono::TimeDelta::days(40));
    let report = prepare_data::run::prepare(&settings).await.unwrap();
    assert!(report.reconciled, "more than a week has passed");
    let mut afresh = lake.settings("afresh");
    afresh.as_of = settings.as_of;
    prepare_data::run::prepare(&afresh).await.unwrap();
    lake.assert_equal("kept", "afresh", &["silver", "gold"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_before_the_weekly_comparison_is_published_once_and_reported() {
    let mut lake = Lake::prepared(Format::Delta, "kept").await;
    lake.goes_on().await;
    let mut settings = lake.settings("kept");
    settings.reconcile_after = chrono::TimeDelta::days(1);
    let report = prepare_data::run::prepare(&settings).await.unwrap();
    assert!(report.reconciled, "a day has passed");
    for (layer, name) in [(Layer::Silver, "salestable"), (Layer::Gold, "customers"), (Layer::Gold, "sales_orders")] {
        let table = report.table(layer, name).unwrap();
        assert_eq!((table.how, table.version), (How::Whole, Some(1)), "{report}");
        let counts = table.counts;
        assert!(counts.inserted > 0 && counts.updated > 0, "{report}");
        assert_eq!(counts.before + counts.inserted - counts.deleted, counts.after, "{report}");
    }
    lake.prepare("afresh").await;
    lake.assert_equal("kept", "afresh", &ALL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_alone_changes_what_is_valid() {
    let lake = Lake::prepared(Format::Delta, "kept").await;
    let mut settings = lake.settings("kept");
    // Less than the time after which everything is compared, so that only the validity dates can tell.
    settings.as_of = Some(lake.now() + chrono::TimeDelta::days(700));
    settings.reconcile_after = chrono::TimeDelta::days(3650);
    let report = prepare_data::run::prepare(&settings).await.unwrap();
    assert_eq!(report.table(Layer::Gold, "customers").unwrap().how, How::Changes, "{report}");
    let mut afresh = lake.settings("afresh");
    afresh.as_of = settings.as_of;
    prepare_data::run::prepare(&afresh).await.unwrap();
    lake.assert_equal("kept", "afresh", &["gold"]).await;
}
