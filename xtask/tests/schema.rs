//! The JSON Schemas of `journeys.json` accept what start-up accepts, and reject what start-up reports.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;

use boon::{Compiler, SchemaIndex, Schemas};
use commerce_journeys::journeys::{Journeys, Overlay, is_overlay};
use sandbox::app_folder::{EXAMPLES, repository};
use serde_json::{Value, json};

fn file(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// A compiled schema, or a part of it.
struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn read(part: &str) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        for name in ["journeys.schema.json", "journeys.overlay.schema.json"] {
            let text = serde_json::from_str(&file(name)).unwrap();
            compiler.add_resource(&format!("https://schemas.example/{name}"), text).unwrap();
        }
        let index = compiler.compile(&format!("https://schemas.example/{part}"), &mut schemas);
        Self(schemas, index.unwrap_or_else(|error| panic!("{part}: {error:#}")))
    }

    fn rejects(&self, value: &Value) -> Option<String> {
        self.0.validate(value, self.1).err().map(|error| format!("{error:#}"))
    }
}

/// The mistakes that start-up reports.
fn reported(text: &str) -> Vec<String> {
    let setting = |name: &str| if name == "Wait" { "01:00:00".to_owned() } else { format!("trigger_{name}") };
    let read = Journeys::read(text, |name| Some(setting(name)));
    read.err().unwrap_or_default().iter().map(ToString::to_string).collect()
}

/// A file that uses every field.
fn with_every_field() -> Value {
    json!({
        "$schema": "./journeys.schema.json",
        "eventTypes": {
            "OrderShipped": {
                "description": "d", "enrichWith": ["order", "customer"], "optional": ["customer"], "orderKey": "/OrderId"
            },
            "Checkout": { "orderKey": "transactionId" }
        },
        "journeys": [{
            "name": "a", "description": "d", "enabled": true, "eventType": "OrderShipped", "trigger": "%Trigger%",
            "onUncertain": "hold", "after": "%Wait%", "unless": ["Checkout"], "latestOnly": true,
            "oncePer": { "customer": "7.00:00:00" },
            "conditions": [
                { "pointer": "/OrderDetails/SalesId", "is": "present" },
                { "pointer": "/EventDetails/EventData/Carrier", "equals": "x" }
            ],
            "parameters": {
                "text": { "from": ["/OrderDetails/A", "/CustomerDetails/B"], "type": "String", "default": "", "optional": true },
                "now": { "from": "now", "type": "DateTime" },
                "contact": { "from": "contactId", "type": "Guid" },
                "amount": { "from": "/OrderDetails/AmountPaid", "type": "Decimal", "default": 1.5 },
                "count": { "from": "/OrderDetails/NumberOfItems", "type": "Integer", "default": 1 },
                "flag": { "from": "/OrderDetails/F", "type": "Boolean", "default": false },
                "at": { "from": "/OrderDetails/At", "type": "DateTime", "default": "2024-07-24T14:17:02Z" },
                "id": { "from": "/OrderDetails/Id", "type": "Guid", "default": "2cf6659a-a87e-4603-b4a9-4438ccb27fad" }
            }
        }, {
            "name": "b", "eventType": "Checkout", "trigger": "t", "parameters": {}, "after": "1.00:00:05",
            "unless": { "eventTypes": ["Return"], "same": "customer" }, "oncePer": "transaction"
        }]
    })
}

/// The pointers of all values in a file.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let escape = |name: &str| name.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| places(value, &format!("{at}/{}", escape(name)), found))
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// The file with one change at each place: another value, a missing field, or an unknown one.
fn changed(file: &Value) -> Vec<(String, Value)> {
    let others = json!([
        null,
        true,
        1,
        1.5,
        "",
        " ",
        "x",
        "/OrderDetails/A",
        "%",
        "%%",
        "now",
        "a b",
        "hold",
        [],
        [5],
        ["order", "cart"],
        {}
    ]);
    let (mut all, mut changed) = (Vec::new(), Vec::new());
    places(file, "", &mut all);
    for place in all {
        for other in others.as_array().unwrap() {
            let mut copy = file.clone();
            *copy.pointer_mut(&place).unwrap() = other.clone();
            changed.push((format!("{place} = {other}"), copy));
        }
        let mut copy = file.clone();
        if let Value::Object(fields) = copy.pointer_mut(&place).unwrap() {
            fields.insert("unknwon".to_owned(), json!({}));
            changed.push((format!("{place} with an unknown field"), copy));
        }
        if let Some((parent, name)) = place.rsplit_once('/') {
            let mut copy = file.clone();
            if let Value::Object(fields) = copy.pointer_mut(parent).unwrap() {
                fields.remove(&name.replace("~1", "/").replace("~0", "~"));
                changed.push((format!("without {place}"), copy));
            }
        }
    }
    changed
}

#[test]
fn the_shipped_file_is_valid_and_names_its_schema() {
    let shipped: Value = serde_json::from_str(&file("journeys.json")).unwrap();
    assert_eq!(shipped["$schema"], "./journeys.schema.json");
    let schema = Schema::read("journeys.schema.json");
    let examples: Value = serde_json::from_str(&file(EXAMPLES)).unwrap();
    for value in [shipped, examples, with_every_field()] {
        assert_eq!(schema.rejects(&value), None);
        assert_eq!(reported(&value.to_string()), [""; 0]);
    }
}

#[test]
fn the_schema_rejects_what_start_up_reports_and_nothing_else() {
    let schema = Schema::read("journeys.schema.json");
    let mut rejected = 0;
    for (change, value) in changed(&with_every_field()) {
        let (by_schema, by_start_up) = (schema.rejects(&value), reported(&value.to_string()));
        assert_eq!(by_schema.is_some(), !by_start_up.is_empty(), "{change}\n{by_schema:?}\n{by_start_up:#?}");
        rejected += usize::from(by_schema.is_some());
    }
    assert!(rejected > 500, "{rejected}");
}

/// What a schema cannot say, and why.
#[test]
fn only_these_mistakes_are_for_start_up_alone() {
    let schema = Schema::read("journeys.schema.json");
    let journey = |name: &str| json!({"name": name, "eventType": "T", "trigger": "t", "parameters": {}});
    let parameter = |kind: &str, default: &str| {
        let parameters = json!({"p": {"from": "/OrderDetails/A", "type": kind, "default": default}});
        json!({"journeys": [{"name": "a", "eventType": "T", "trigger": "t", "parameters": parameters}]})
    };
    for (why, value, path) in [
        (
            "it cannot compare two items of a list",
            json!({"journeys": [journey("a"), journey("a")]}),
            "journeys[1].name",
        ),
        (
            "names of fields are compared exactly",
            json!({"journeys": [], "eventTypes": {"Return": {}, "return": {}}}),
            "eventTypes.return",
        ),
        (
            "a pattern does not know the calendar",
            parameter("DateTime", "2024-02-31T00:00:00Z"),
            "journeys[0].parameters.p.default",
        ),
    ] {
        assert_eq!(schema.rejects(&value), None, "{why}");
        let found = reported(&value.to_string());
        assert!(found.iter().any(|error| error.contains(&format!("{path}: "))), "{path}: {found:?}");
    }
    // The settings of the app are not in the file.
    let missing = Journeys::read(
        &json!({"journeys": [{"name": "a", "eventType": "T", "trigger": "%T%", "parameters": {}}]}).to_string(),
        |_| None,
    );
    assert!(missing.is_err());
    // A parser gives a schema the last of two fields of one name.
    assert!(reported(r#"{"journeys": [], "journeys": []}"#)[0].contains("journeys: occurs twice"));
}

/// Blocks of JSON in a page.
fn examples(page: &str) -> Vec<Value> {
    let text = file(page);
    let blocks = text.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.map(|block| serde_json::from_str(block).unwrap_or_else(|error| panic!("{page}: {error}\n{block}"))).collect()
}

#[test]
fn the_examples_of_the_page_are_valid() {
    let (whole, journey) = (Schema::read("journeys.schema.json"), Schema::read("journeys.schema.json#/$defs/journey"));
    let (overlay, shipped) = (Schema::read("journeys.overlay.schema.json"), file("journeys.json"));
    let changed_journey = Schema::read("journeys.overlay.schema.json#/$defs/journey");
    let found = examples("docs/journeys.md");
    for example in &found {
        let text = example.to_string();
        let is_journey = example["name"].is_string();
        let is_overlay = example["journeys"][0]["parameters"].is_null();
        let is_part = is_journey && example["trigger"].is_null();
        let (schema, text) = match (is_journey, is_overlay) {
            (true, _) if is_part => {
                let text = json!({"journeys": [example]}).to_string();
                (&changed_journey, Overlay { file: "journeys.test.json", text: &text }.apply(&shipped).unwrap())
            }
            (true, _) => (&journey, json!({"journeys": [example]}).to_string()),
            (false, true) => (&overlay, Overlay { file: "journeys.test.json", text: &text }.apply(&shipped).unwrap()),
            (false, false) => (&whole, text),
        };
        assert_eq!(schema.rejects(example), None, "{example}");
        assert_eq!(reported(&text), [""; 0], "{example}");
    }
    assert!(found.len() > 1);
}

#[test]
fn the_schema_of_overlays_knows_changes_and_their_mistakes() {
    let (schema, shipped) = (Schema::read("journeys.overlay.schema.json"), file("journeys.json"));
    let good = json!({"$schema": "./journeys.overlay.schema.json", "eventTypes": {"OrderShipped": {"enrichWith": []}, "X": null},
        "journeys": [{"name": "abandoned-cart", "conditions": null, "onUncertain": null, "enabled": false,
                      "parameters": {"msdynmkt_cartid": {"default": "none"}, "msdynmkt_firstname": null}}]});
    let wrong = [
        json!({"journeys": [{"name": "abandoned-cart", "enabeld": true}]}),
        json!({"journeys": [{"name": "abandoned-cart", "onUncertain": "maybe"}]}),
        json!({"journeys": [{"enabled": true}]}),
        json!({"journeys": {"abandoned-cart": {}}}),
        json!({"journeys": [{"name": "abandoned-cart", "parameters": {"msdynmkt_cartid": {"type": "Text"}}}]}),
        json!({"eventTypes": {"OrderShipped": {"enrichWith": ["orders"]}}}),
        json!({"jurneys": []}),
    ];
    let merged = |value: &Value| {
        let text = value.to_string();
        Overlay { file: "journeys.test.json", text: &text }.apply(&shipped).map_err(|error| vec![error.to_string()])
    };
    assert_eq!(schema.rejects(&good), None);
    assert_eq!(reported(&merged(&good).unwrap()), [""; 0]);
    for value in wrong {
        let found = merged(&value).map_or_else(|error| error, |text| reported(&text));
        assert!(schema.rejects(&value).is_some() && !found.is_empty(), "{value}: {found:?}");
    }
    for schema in ["journeys.schema.json", "journeys.overlay.schema.json"] {
        assert!(!is_overlay(schema), "{schema} is not the file of an environment");
    }
}
