//! The choice of companies.

use prepare_data::run::{How, Layer};
use prepare_data::settings::Settings;
use serde_json::{Value, json};

use crate::lake::{Lake, PERSON};

fn choose(codes: &[&str]) -> impl FnOnce(&mut Settings) {
    let codes = codes.iter().map(|code| (*code).to_owned()).collect();
    move |settings| settings.companies = codes
}

/// Thirty customers of a company, each with an order, and one record without a number.
fn add_company(lake: &mut Lake, company: &str, first: i64) {
    let numbers = first..first + 30;
    let rows = |row: &dyn Fn(i64) -> Value| Value::Array(numbers.clone().map(row).collect());
    let with_company = |mut row: Value| {
        row["dataareaid"] = json!(company);
        row
    };
    lake.add("dirpartytable", rows(&|number| json!({"recid": number, "instancerelationtype": PERSON})))
        .add("dirpersonname", rows(&|number| json!({"recid": number, "person": number, "lastname": "Stone"})))
        .add(
            "custtable",
            rows(&|number| with_company(json!({"recid": number, "accountnum": format!("C{number}"), "party": number}))),
        )
        .add(
            "salestable",
            rows(&|number| {
                with_company(json!({"recid": number, "salesid": format!("S{number}"), "custaccount": format!("C{number}")}))
            }),
        )
        .add("custtable", json!([with_company(json!({"recid": first + 900, "party": first}))]))
        .add(
            "retailchanneltable",
            json!([{"recid": first, "retailchannelid": company, "inventlocationdataareaid": company.to_uppercase()}]),
        )
        .add(
            "retailloyaltycardrewardpointtrans",
            json!([{"recid": first, "cardnumber": "L1", "rewardpointamountqty": 5, "entrytype": 1, "custaccount": format!("C{first}"),
                "custaccountdataareaid": company}]),
        );
}

const COMPANY: &str = "distinct company";

#[tokio::test]
async fn only_rows_of_the_chosen_companies_are_published() {
    let mut lake = Lake::new();
    add_company(&mut lake, "usmf", 1000);
    add_company(&mut lake, "DEMF", 2000);
    lake.add("retailchanneltable", json!([{"recid": 7, "retailchannelid": "anywhere"}]));
    assert!(lake.run(choose(&["demf"])).await.published_all());
    for table in ["customers", "sales_orders", "loyalty_points"] {
        assert_eq!(lake.published(table, COMPANY).await, ["demf"], "{table}");
    }
    assert_eq!(lake.published("customers", "count(*)").await, ["30"]);
    assert_eq!(lake.published("channels", "channel_number").await, ["DEMF", "anywhere"]);
    assert_eq!(lake.rejected().await, ["custtable-2900 | number_missing"]);

    // What happens in the other company changes nothing; what happens in the chosen one does.
    let customer = |recid: i64, company: &str, group: &str| json!({"recid": recid, "dataareaid": company, "accountnum": format!("C{recid}"), "party": recid, "custgroup": group});
    lake.add("custtable", json!([customer(1001, "usmf", "10"), customer(2001, "demf", "20")]));
    let report = lake.run(choose(&["demf"])).await;
    let customers = report.table(Layer::Gold, "customers").unwrap();
    assert_eq!((customers.how, customers.counts.updated, customers.counts.after), (How::Changes, 1, 30), "{report}");

    // More companies only add rows.
    let report = lake.run(choose(&[])).await;
    assert!(report.published_all(), "{report}");
    assert_eq!(lake.published("customers", COMPANY).await, ["demf", "usmf"]);
    assert_eq!(lake.rejected().await.len(), 2);
}

#[tokio::test]
async fn a_company_is_removed_only_if_that_is_asked_for() {
    let mut lake = Lake::new();
    add_company(&mut lake, "usmf", 1000);
    add_company(&mut lake, "demf", 2000);
    lake.prepare().await;
    let report = lake.run(choose(&["usmf"])).await;
    let problem = report.problems.iter().find(|problem| problem.table == "customers").unwrap();
    assert_eq!(problem.rule, "row_loss");
    for part in ["--companies", "were all in the last run and are usmf now", "--vanishing-share 1"] {
        assert!(problem.message.contains(part), "{}", problem.message);
    }
    assert_eq!(lake.published("customers", COMPANY).await, ["demf", "usmf"]);

    let asked = |settings: &mut Settings| {
        choose(&["usmf"])(settings);
        settings.vanishing_share = 1.0;
    };
    assert!(lake.run(asked).await.published_all());
    assert_eq!(lake.published("customers", COMPANY).await, ["usmf"]);
    let silver = crate::lake::lines(&lake.open("silver/custtable").await, "distinct dataareaid").await;
    assert_eq!(silver, ["demf", "usmf"]);
}

#[tokio::test]
async fn an_unknown_company_is_refused() {
    let mut lake = Lake::new();
    add_company(&mut lake, "usmf", 1000);
    lake.prepare().await;
    let mut settings = lake.settings();
    choose(&["usmf", "usrt"])(&mut settings);
    let error = prepare_data::run::prepare(&settings).await.unwrap_err().to_string();
    assert!(error.contains("company usrt") && error.contains("those of usmf"), "{error}");
}
