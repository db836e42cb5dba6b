//! Loyalty cards: whose they are, what they have, and what of it expired.

use serde_json::{Value, json};

use crate::lake::Lake;

/// An entry that earned points for `C1` of a company.
fn earned(record: i64, company: &str, day: &str, more: Value) -> Value {
    let mut entry = json!({"recid": record, "cardnumber": "L1", "entrytype": 1, "rewardpointamountqty": 30,
        "rewardpoint": 80, "loyaltytransdataareaid": company, "entrydate": format!("{day}T00:00:00Z")});
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    entry
}

/// A pipeline that looks for the first customer of a card's party gives the card, and its points, to any of the companies.
#[tokio::test]
async fn the_card_of_a_person_with_two_companies_is_the_one_that_was_used_last() {
    let mut lake = Lake::new();
    lake.add_person(1, "C1", "Ada", "Lovelace", json!({}))
        .add("custtable", json!([{"recid": 2, "accountnum": "C7", "party": 1, "dataareaid": "DEMF"}]))
        .add("retailloyaltycard", json!([{"recid": 9, "cardnumber": "L1", "party": 1}]));
    let columns = "loyalty_card_number, customer_id, customer_count, points_balance";
    lake.add("retailloyaltycardrewardpointtrans", json!([earned(71, "DEMF", "2026-01-10", json!({}))])).prepare().await;
    assert_eq!(lake.published("loyalty_cards", columns).await, ["L1 | demf-C7 | 2 | 30"]);
    lake.add("retailloyaltycardrewardpointtrans", json!([earned(72, "USMF", "2026-01-20", json!({}))])).prepare().await;
    assert_eq!(lake.published("loyalty_cards", columns).await, ["L1 | usmf-C1 | 2 | 60"]);
    assert_eq!(
        lake.published("loyalty_points", "loyalty_entry_id, customer_id, points_balance").await,
        ["71 | demf-C7 | 30", "72 | usmf-C1 | 60"]
    );
}

/// Points and tiers end without a record that says so. The row changes on that day, and on no other.
#[tokio::test]
async fn a_tier_that_ends_and_points_that_expire_change_the_card_on_that_day() {
    let mut lake = Lake::new();
    let spent = json!({"recid": 72, "cardnumber": "l1", "entrytype": 2, "rewardpointamountqty": -10, "rewardpoint": 80,
        "loyaltytransdataareaid": "usmf", "entrydate": "2026-01-21T00:00:00Z"});
    let mut tier = json!({"loyaltycard": 9, "loyaltytier": 61, "affiliation": 60,
        "validfrom": "2026-01-01T00:00:00Z", "validto": "2026-02-03T00:00:00Z"});
    let mut next = tier.clone();
    next["loyaltytier"] = 62.into();
    next["validfrom"] = "2026-02-04T00:00:00Z".into();
    next["validto"] = "2154-12-31T00:00:00Z".into();
    tier["recid"] = 50.into();
    lake.add("retailloyaltycard", json!([{"recid": 9, "cardnumber": "L1", "party": 1, "cardtendertype": 3}]))
        .add("retailloyaltyrewardpoint", json!([{"recid": 80, "rewardpointid": "Points"}]))
        .add("retailaffiliation", json!([{"recid": 60, "name": "Club"}]))
        .add(
            "retailloyaltytier",
            json!([{"recid": 61, "affiliation": 60, "tierid": "Gold", "tierlevel": 2},
            {"recid": 62, "affiliation": 60, "tierid": "Base", "tierlevel": 1}]),
        )
        .add("retailloyaltycardtier", json!([tier, next]))
        .add(
            "retailloyaltycardrewardpointtrans",
            json!([
                earned(71, "usmf", "2026-01-20", json!({"remaining": 20, "expirationdate": "2026-02-05T00:00:00Z"})),
                spent,
            ]),
        );
    lake.prepare().await;
    let columns =
        "loyalty_tier, tier_valid_to, points_balance, points_expired, points_available, next_points_expire_at";
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(lake.published("loyalty_cards", columns).await.join(""));
        lake.now += chrono::TimeDelta::days(1);
        lake.prepare().await;
    }
    let gold = "Gold | 2026-02-03T00:00:00Z | 20 | 0 | 20 | 2026-02-05T00:00:00Z";
    let base = "Base | - | 20 | 0 | 20 | 2026-02-05T00:00:00Z";
    assert_eq!(seen, [gold, gold, gold, base, base, "Base | - | 20 | 20 | 0 | -"]);
    let version = lake.everything().await["gold/loyalty_cards"].0;
    assert_eq!(version, Some(2), "only the days of the two events wrote the table");
    assert_eq!(lake.published("loyalty_cards", "loyalty_program, is_blocked").await, ["Club | true"]);
}

/// Sums of points of several kinds mean nothing.
#[tokio::test]
async fn points_of_several_kinds_are_not_summed() {
    let mut lake = Lake::new();
    lake.add(
        "retailloyaltycard",
        json!([{"recid": 9, "cardnumber": "L1", "party": 0}, {"recid": 10, "cardnumber": "L2"}]),
    )
    .add(
        "retailloyaltycardrewardpointtrans",
        json!([
            earned(71, "usmf", "2026-01-20", json!({})),
            earned(72, "usmf", "2026-01-21", json!({"rewardpoint": 81})),
        ]),
    );
    lake.prepare().await;
    assert_eq!(
        lake.published("loyalty_cards", "loyalty_card_number, has_mixed_points, points_balance, entry_count").await,
        ["L1 | true | - | 2", "L2 | false | - | 0"]
    );
    assert_eq!(lake.published("loyalty_points", "reward_point, points_balance").await, ["80 | 30", "81 | 30"]);
}
