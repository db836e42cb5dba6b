//! What a product is: its brand, the way to its category, and its variants.

use serde_json::{Value, json};

use crate::lake::Lake;

fn category(recid: i64, name: &str, parent: i64) -> Value {
    json!({"recid": recid, "name": name, "parentcategory": parent})
}

fn item(number: &str, product: i64) -> Value {
    json!({"itemid": number, "product": product})
}

#[tokio::test]
async fn a_product_has_the_whole_path_of_its_category() {
    let mut lake = Lake::new();
    let deep = (1..=9).map(|level| category(100 + level, &format!("L{level}"), 99 + level));
    lake.add("inventtable", json!([item("BOOT", 1), item("DEEP", 2), item("ROOT", 3), item("NONE", 4)]))
        .add("ecorescategoryhierarchy", json!([{"recid": 7, "name": "Web"}]))
        .add(
            "ecorescategory",
            json!([category(10, "Clothing", 0), category(11, "Shoes", 10), category(12, "Boots", 11)]),
        )
        .add("ecorescategory", json!(deep.collect::<Vec<_>>()))
        .add(
            "ecoresproductcategory",
            json!([
                {"product": 1, "category": 12, "categoryhierarchy": 7},
                {"product": 2, "category": 109, "categoryhierarchy": 7},
                {"product": 3, "category": 10, "categoryhierarchy": 7},
            ]),
        );
    lake.prepare().await;
    let columns = "product_id, category, category_path";
    assert_eq!(
        lake.published("products", columns).await,
        [
            "usmf-BOOT | Boots | Clothing > Shoes > Boots",
            "usmf-DEEP | L9 | L2 > L3 > L4 > L5 > L6 > L7 > L8 > L9",
            "usmf-NONE | - | -",
            "usmf-ROOT | Clothing | Clothing"
        ]
    );

    // A category above is renamed.
    lake.add("ecorescategory", json!([category(10, "Fashion", 0)]));
    lake.prepare().await;
    assert_eq!(lake.published("products", columns).await[0], "usmf-BOOT | Boots | Fashion > Shoes > Boots");
}

#[tokio::test]
async fn a_product_has_the_brand_of_the_attribute_that_is_named() {
    let mut lake = Lake::new();
    let value = |recid: i64, instance: i64, attribute: i64| json!({"recid": recid, "instancevalue": instance, "attribute": attribute, "value": recid});
    let text = |recid: i64, text: &str| json!({"recid": recid, "textvalue": text});
    lake.add("inventtable", json!([item("A", 1), item("B", 2), item("C", 3)]))
        .add("ecoresattribute", json!([{"recid": 1, "name": "BRAND"}, {"recid": 2, "name": "Marke"}]))
        .add("ecoresproductinstancevalue", json!([{"recid": 11, "product": 1}, {"recid": 12, "product": 2}]))
        .add("ecoresattributevalue", json!([value(21, 11, 1), value(22, 11, 2), value(23, 12, 2)]))
        .add("ecorestextvalue", json!([text(21, "Contoso"), text(22, "Fabrikam"), text(23, "Northwind")]));
    lake.prepare().await;
    let columns = "item_number, brand";
    assert_eq!(lake.published("products", columns).await, ["A | Contoso", "B | -", "C | -"]);
    let mine = lake.run(|settings| drop(settings.parameters.insert("brand_attribute".to_owned(), "marke".to_owned())));
    assert!(mine.await.published_all());
    assert_eq!(lake.published("products", columns).await, ["A | Fabrikam", "B | Northwind", "C | -"]);
    let mut settings = lake.settings();
    settings.parameters.insert("brand_attribute".to_owned(), "Make".to_owned());
    let error = prepare_data::run::prepare(&settings).await.unwrap_err().to_string();
    assert!(error.contains("`Make`") && error.contains("BRAND, Marke"), "{error}");
}

#[tokio::test]
async fn variants_have_their_color_and_size_and_lines_name_their_variant() {
    let mut lake = Lake::new();
    let dimensions =
        |id: &str, color: &str, size: &str| json!({"inventdimid": id, "inventcolorid": color, "inventsizeid": size});
    let variant = |recid: i64, item: &str, dimensions: &str, number: Option<&str>| json!({"recid": recid, "itemid": item, "inventdimid": dimensions, "retailvariantid": number});
    lake.add("inventtable", json!([item("Shoe", 1), item("HAT", 2)]))
        .add("inventdim", json!([dimensions("D1", "Red", "42"), dimensions("D2", "Red", "43"), dimensions("W1", "Blue", "")]))
        .add(
            "inventdimcombination",
            json!([
                variant(1, "SHOE", "D1", Some("V1")), // the item's record writes Shoe
                variant(2, "Shoe", "D2", Some("V2")),
                variant(3, "Shoe", "D3", None), // its dimensions are not exported
                variant(4, "Shoe", "D1", Some("V2")), // newer than the second
                variant(5, "GONE", "D1", Some("V9")),
                {"recid": 6, "inventdimid": "D1"},
            ]),
        )
        .add(
            "retailtransactiontable",
            json!([{"transactionid": "T1", "store": "H", "terminal": "H1", "channel": 5, "type": 2}]),
        )
        .add(
            "retailtransactionsalestrans",
            json!([
                {"recid": 1, "transactionid": "T1", "store": "H", "terminalid": "H1", "channel": 5, "itemid": "SHOE", "variantid": "V1", "qty": -1},
                {"recid": 2, "transactionid": "T1", "store": "H", "terminalid": "H1", "channel": 5, "itemid": "HAT", "qty": -1},
            ]),
        )
        .add("salestable", json!([{"salesid": "S1", "salesstatus": 1}]))
        .add("salesline", json!([{"recid": 1, "salesid": "S1", "itemid": "shoe", "retailvariantid": "V7", "salesqty": 1, "lineamount": 5, "salesstatus": 1}]));
    let report = lake.prepare().await;
    let columns = "product_variant_id, product_id, variant_number, color, size";
    assert_eq!(
        lake.published("product_variants", columns).await,
        [
            "usmf-GONE-V9 | usmf-GONE | V9 | Red | 42",
            "usmf-Shoe-D3 | usmf-Shoe | D3 | - | -",
            "usmf-Shoe-V1 | usmf-Shoe | V1 | Red | 42",
            "usmf-Shoe-V2 | usmf-Shoe | V2 | Red | 42"
        ]
    );
    assert_eq!(
        lake.rejected().await,
        ["inventdimcombination-2 | superseded", "inventdimcombination-6 | number_missing"]
    );
    let lines = "item_number, product_variant_id";
    assert_eq!(lake.published("store_transaction_lines", lines).await, ["HAT | -", "Shoe | usmf-Shoe-V1"]);
    assert_eq!(lake.published("sales_order_lines", lines).await, ["Shoe | usmf-Shoe-V7"]);
    let products = "item_number, variant_count, color, size";
    assert_eq!(lake.published("products", products).await, ["HAT | 0 | - | -", "Shoe | 3 | - | -"]);
    for (check, gaps, of) in [
        ("store_lines_without_variant", 0, 1),
        ("order_lines_without_variant", 1, 1),
        ("variants_without_product", 1, 4),
    ] {
        let gap = report.gaps.iter().find(|gap| gap.check == check).unwrap();
        assert_eq!((gap.gaps, gap.of), (gaps, of), "{check}");
    }

    // The dimensions come later, a variant gets its number, another goes, and the item's record changes its letters.
    lake.add("inventdim", json!([dimensions("D3", "Red", "42")]))
        .add("inventdimcombination", json!([variant(3, "Shoe", "D3", Some("V3")), {"recid": 5, "isdelete": true}]));
    lake.prepare().await;
    assert_eq!(
        lake.published("product_variants", columns).await,
        [
            "usmf-Shoe-V1 | usmf-Shoe | V1 | Red | 42",
            "usmf-Shoe-V2 | usmf-Shoe | V2 | Red | 42",
            "usmf-Shoe-V3 | usmf-Shoe | V3 | Red | 42"
        ]
    );
    assert_eq!(lake.published("products", products).await, ["HAT | 0 | - | -", "Shoe | 3 | Red | 42"]);
}
