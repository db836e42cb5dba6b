//! What `check` says about event types, and what it reads for their events.

use crate::check::{app, assert_reported, environment, run, shipped, with};
use crate::environment::SHIPPED;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journey_whose_events_are_not_polled_is_reported() {
    let environment = environment().await;
    let folder = app("misspelt", &SHIPPED.replacen("\"Checkout\"", "\"Chekout\"", 1));
    let what = "events of the journey order-confirmation";
    // Without the setting, the types of the journeys are polled. Then only the similar name gives the mistake away.
    assert_reported(&environment.settings(), &folder, what, "a similar type is \"Checkout\"", "eventTypes").await;
    let settings = with(&environment, &[("EventTypes", "Checkout")]);
    assert_reported(&settings, &folder, what, "\"Chekout\"", "EventTypes").await;
    let settings = with(&environment, &[("EventTypes", "AddCartLines")]);
    assert_reported(&settings, &shipped(), what, "\"Checkout\" of an enabled journey is not polled", "EventTypes")
        .await;
    let ran = run(&with(&environment, &[("RequestTimout", "00:00:30")]), &folder, &[]).await;
    assert!(ran.errors.contains("RequestTimout") && ran.errors.contains("RequestTimeout"), "{}", ran.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_types_of_the_enabled_journeys_are_checked_and_a_type_without_journeys_is_noted() {
    let environment = environment().await;
    let note = "its events cost requests and start nothing";
    for (types, folder, expected) in [
        (None, shipped(), [true, false, false]),
        (Some("AddCartLines, checkout"), shipped(), [false, true, true]),
        (None, app("own-type", &SHIPPED.replace("\"Checkout\"", "\"OrderShipped\"")), [false, false, false]),
        (
            None,
            app(
                "defined",
                &SHIPPED.replace("\"Checkout\"", "\"Chekout\"").replacen('{', "{\"eventTypes\": {\"Chekout\": {}},", 1),
            ),
            [false, false, false],
        ),
    ] {
        let settings = with(&environment, &[("EventTypes", types.unwrap_or_default())]);
        let ran = run(&settings, &folder, &[]).await;
        assert_eq!(ran.code, 0, "{}{}", ran.printed, ran.errors);
        let searches = ["search for Checkout events", "search for AddCartLines events", note];
        assert_eq!(searches.map(|text| ran.printed.contains(text)), expected, "{types:?}: {}", ran.printed);
    }
    let nothing = r#"{"eventTypes": {"Checkout": {"enrichWith": []}},"#;
    for (folder, expected) in [
        (shipped(), [true, true, false]),
        (app("all", &SHIPPED.replace("\"enabled\": false", "\"enabled\": true")), [true, true, true]),
        (app("not-enriched", &SHIPPED.replacen('{', nothing, 1)), [false, false, false]),
    ] {
        let ran = run(&environment.settings(), &folder, &["--json"]).await;
        let read = ["orders", "customers", "carts"];
        let has = |what| ran.printed.contains(&format!("\"what\": \"{what}\""));
        assert_eq!(read.map(has), expected, "only what the journeys need is tried: {}", ran.printed);
    }
    let none = app("none", &SHIPPED.replace("\"enabled\": true", "\"enabled\": false"));
    let ran = run(&environment.settings(), &none, &[]).await;
    assert!(ran.code == 0 && ran.printed.contains("no journey is enabled, so no events are read"), "{}", ran.printed);
}
