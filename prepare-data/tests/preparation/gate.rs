//! Runs that would publish nonsense stop before they do, and say why.

use prepare_data::run::{How, Layer, prepare};
use prepare_data::settings::Layers;
use sample_lake::{Format, Options};

use crate::lake::{Lake, copy, open, small};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_person_among_the_parties_stops_the_run() {
    let lake = Lake::new(Format::Delta).await;
    let mut settings = lake.settings("out");
    settings.party_types.insert(1, "Person".to_owned()); // no party has this type
    let report = prepare(&settings).await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report}");
    assert_eq!((report.problems[0].rule, report.problems[0].table.as_str()), ("empty_profile", "customers"));
    assert!(report.problems[0].message.contains("PartyTypes"), "{report}");
    assert!(!lake.results("out").join("gold/customers/_delta_log").exists(), "customers were published");
    assert!(!lake.results("out").join("gold/channels/_delta_log").exists(), "others were published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_of_the_customers_gone_stops_the_run_until_it_is_meant() {
    let lake = Lake::prepared(Format::Delta, "out").await;
    let before = lake.tables("out", "gold").await;
    let half = Lake::with(Options { customers: 150, ..small() }).await;
    let mut settings = half.settings("elsewhere");
    settings.prepared = crate::lake::location(&lake.results("out"));
    let report = prepare(&settings).await.unwrap();
    assert_eq!(report.problems[0].rule, "row_loss", "{report}");
    assert_eq!(lake.tables("out", "gold").await, before, "something was published");
    settings.vanishing_share = 1.0;
    assert!(prepare(&settings).await.unwrap().published_all());
    assert_ne!(lake.tables("out", "gold").await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weekly_comparison_that_is_stopped_leaves_what_had_changed_published() {
    let mut lake = Lake::prepared(Format::Delta, "out").await;
    lake.goes_on().await;
    let customers = open(&lake.export().join("deltalake/custtable")).await;
    let (customers, _) = customers.delete().with_predicate("accountnum < '000060'").await.unwrap();
    // As if the last run had read this version: only a comparison of all rows finds what it lacks.
    let file = lake.results("out").join("state/state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    state["silver"]["custtable"]["position"]["version"] = customers.version().into();
    std::fs::write(file, state.to_string()).unwrap();
    let mut settings = lake.settings("out");
    settings.reconcile_after = chrono::TimeDelta::days(1);
    let report = prepare(&settings).await.unwrap();
    assert_eq!(report.problems[0].rule, "row_loss", "{report}");
    assert!(report.to_string().contains("what had changed was published"), "{report}");
    let orders = report.table(Layer::Gold, "sales_orders").unwrap();
    assert!(orders.version == Some(1) && orders.counts.inserted > 0, "{report}");
    assert!(lake.tables("out", "gold").await["customers"].len() > 150, "customers are gone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_two_rows_share_stops_the_run() {
    let lake = Lake::with(small()).await;
    let sql = tempfile::TempDir::new().unwrap();
    copy(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sql")), sql.path());
    let file = sql.path().join("gold/channels.sql");
    let text = std::fs::read_to_string(&file).unwrap();
    let twice = text.replace("\nwhere", "\ncross join (select 1 as n union all select 2 as n) twice\nwhere");
    assert_ne!(text, twice);
    std::fs::write(&file, twice).unwrap();
    let mut settings = lake.settings("out");
    settings.sql = Some(sql.path().to_owned());
    settings.layers = Layers::Two;
    let report = prepare(&settings).await.unwrap();
    assert_eq!((report.problems[0].rule, report.problems[0].table.as_str()), ("keys", "channels"), "{report}");
    assert!(report.table(Layer::Gold, "channels").is_some_and(|table| table.version.is_none()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_two_rows_come_to_share_stops_the_run() {
    let mut lake = Lake::with(small()).await;
    let sql = tempfile::TempDir::new().unwrap();
    copy(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/sql")), sql.path());
    let file = sql.path().join("gold/customers.sql");
    let text = std::fs::read_to_string(&file).unwrap();
    // Twice from the second run on, which looks only at what changed.
    let twice = "\nfrom persons\ncross join (\
        select n from parameters cross join (select 1 as n union all select 2 as n) numbers \
        where n = 1 or as_of > previous_as_of) twice\n";
    let wrong = text.replace("\nfrom persons\n", twice);
    assert_ne!(text, wrong);
    std::fs::write(&file, wrong).unwrap();
    let mut settings = lake.settings("out");
    settings.sql = Some(sql.path().to_owned());
    assert!(prepare(&settings).await.unwrap().published_all());
    lake.goes_on().await;
    settings.as_of = Some(lake.now());
    let report = prepare(&settings).await.unwrap();
    assert_eq!(report.table(Layer::Gold, "customers").map(|table| table.how), Some(How::Changes), "{report}");
    let problem = &report.problems[0];
    assert_eq!((problem.rule, problem.table.as_str()), ("keys", "customers"), "{report}");
    // The message goes into the log, where no customer is named.
    let example = problem.example.as_ref().unwrap();
    assert!(report.to_string().contains(example) && !problem.message.contains(example), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_required_table_that_is_missing_is_named() {
    let lake = Lake::with(Options { without: vec!["dirpartytable".to_owned()], ..small() }).await;
    let error = prepare(&lake.settings("out")).await.unwrap_err().to_string();
    assert!(error.contains("dirpartytable") && error.contains("deltalake/{table}"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_not_needed_leaves_its_results_out() {
    let mut options = small();
    options.without.push("retailloyaltycardrewardpointtrans".to_owned());
    let report = Lake::with(options).await.prepare("out").await;
    let is_left_out = |name: &str| report.left_out.iter().any(|table| table == name);
    assert!(is_left_out("loyalty_points") && is_left_out("products"), "{report}");
    assert!(!is_left_out("loyalty_cards") && report.table(Layer::Gold, "loyalty_cards").is_some(), "{report}");
}
