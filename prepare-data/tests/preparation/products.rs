//! Brands, paths of categories and variants of a whole lake, computed here once more from the export.

use std::collections::BTreeMap;
use std::sync::Arc;

use deltalake::datafusion::prelude::SessionContext;
use sample_lake::Format;

use crate::lake::{Lake, open, query};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn products_are_what_the_export_says_of_them() {
    let lake = Lake::prepared_complete(Format::Delta, "out").await;
    let (products, variants) = expected(&lake).await;
    let columns = "product_id, category_path, brand, cast(variant_count as varchar), color";
    assert_eq!(published(&lake, "products", columns).await, products);
    assert!(products.iter().any(|row| row.contains(" > ")) && products.iter().any(|row| row.contains("Contoso")));
    let columns = "product_variant_id, product_id, color, size";
    assert_eq!(published(&lake, "product_variants", columns).await, variants);
}

type Table = Vec<Vec<String>>;

async fn expected(lake: &Lake) -> (Vec<String>, Vec<String>) {
    let sizes =
        by_key(current(lake, "inventdim", "lower(dataareaid), inventdimid, inventcolorid, inventsizeid").await, 2);
    let mut colors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut variants = Vec::new();
    for row in current(lake, "inventdimcombination", "lower(dataareaid), itemid, retailvariantid, inventdimid").await {
        let [company, item, number, dimensions] = &row[..] else { panic!("{row:?}") };
        let [color, size] = &sizes[&format!("{company}/{dimensions}")][..] else { panic!("{dimensions}") };
        variants.push(format!("| {company}-{item}-{number} | {company}-{item} | {color} | {size} |"));
        colors.entry(format!("{company}-{item}")).or_default().push(color.clone());
    }
    let categories = categories(lake).await;
    let brands = brands(lake).await;
    let mut products = Vec::new();
    for row in current(lake, "inventtable", "lower(dataareaid), itemid, cast(product as varchar)").await {
        let [company, item, product] = &row[..] else { panic!("{row:?}") };
        let mut of = colors.remove(&format!("{company}-{item}")).unwrap_or_default();
        let count = of.len();
        of.dedup();
        let color = if of.len() == 1 { &*of[0] } else { "" };
        let (path, brand) = (text(&categories, product), text(&brands, product));
        products.push(format!("| {company}-{item} | {path} | {brand} | {count} | {color} |"));
    }
    (sorted(products), sorted(variants))
}

/// The path of each product's category, in the hierarchy that holds most products.
async fn categories(lake: &Lake) -> BTreeMap<String, String> {
    let names = "cast(recid as varchar), cast(parentcategory as varchar), name";
    let categories = by_key(current(lake, "ecorescategory", names).await, 1);
    let columns = "cast(categoryhierarchy as varchar), cast(product as varchar), cast(category as varchar)";
    let memberships = current(lake, "ecoresproductcategory", columns).await;
    let count = |row: &Vec<String>| memberships.iter().filter(|other| other[0] == row[0]).count();
    let largest = memberships.iter().max_by_key(|row| count(row)).unwrap()[0].clone();
    let mut paths: BTreeMap<String, (String, String)> = BTreeMap::new();
    for row in memberships.iter().filter(|row| row[0] == largest) {
        let (mut at, mut path) = (row[2].clone(), Vec::new());
        while let Some(category) = categories.get(&at) {
            path.insert(0, category[1].clone());
            at = category[0].clone();
        }
        let first = paths.entry(row[1].clone()).or_insert((row[2].clone(), path.join(" > ")));
        assert_eq!(first.0, row[2], "one category of a product in the largest hierarchy");
    }
    paths.into_iter().map(|(product, (_, path))| (product, path)).collect()
}

async fn brands(lake: &Lake) -> BTreeMap<String, String> {
    let id = "cast(recid as varchar)";
    let attributes = current(lake, "ecoresattribute", &format!("{id}, name")).await;
    let brand = attributes.into_iter().find(|row| row[1].eq_ignore_ascii_case("brand")).unwrap()[0].clone();
    let products = "ecoresproductinstancevalue";
    let products = by_key(current(lake, products, &format!("{id}, cast(product as varchar)")).await, 1);
    let texts = by_key(current(lake, "ecorestextvalue", &format!("{id}, textvalue")).await, 1);
    let columns = "cast(attribute as varchar), cast(instancevalue as varchar), cast(value as varchar)";
    let values = current(lake, "ecoresattributevalue", columns).await.into_iter().filter(|row| row[0] == brand);
    let of_product = |row: Vec<String>| Some((products.get(&row[1])?[0].clone(), texts.get(&row[2])?[0].clone()));
    values.filter_map(of_product).collect()
}

/// The present rows of an exported table: of each id the newest version, unless it is deleted.
async fn current(lake: &Lake, table: &str, columns: &str) -> Table {
    let statement =
        format!("select \"Id\", lpad(cast(versionnumber as varchar), 20, '0'), \"IsDelete\", {columns} from t");
    let mut rows = rows(&lake.export().join("deltalake").join(table), &statement).await;
    rows.sort();
    let newest: BTreeMap<String, Vec<String>> = rows.into_iter().map(|row| (row[0].clone(), row)).collect();
    let present = newest.into_values().filter(|row| row[2] != "true");
    present.map(|row| row[3..].to_vec()).collect()
}

async fn published(lake: &Lake, table: &str, columns: &str) -> Vec<String> {
    let path = lake.results("out").join("gold").join(table);
    let lines = rows(&path, &format!("select {columns} from t")).await;
    sorted(lines.iter().map(|row| format!("| {} |", row.join(" | "))).collect())
}

async fn rows(path: &std::path::Path, statement: &str) -> Table {
    let session = SessionContext::new();
    let table = open(path).await;
    table.update_datafusion_session(&session.state()).unwrap();
    let provider = table.table_provider().with_session(Arc::new(session.state())).await.unwrap();
    session.register_table("t", provider).unwrap();
    let lines = query(&session, statement).await;
    lines.iter().map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// Rows by their first columns, joined with a slash.
fn by_key(rows: Table, columns: usize) -> BTreeMap<String, Vec<String>> {
    rows.into_iter().map(|row| (row[..columns].join("/"), row[columns..].to_vec())).collect()
}

fn text<'a>(texts: &'a BTreeMap<String, String>, key: &str) -> &'a str {
    texts.get(key).map_or("", String::as_str)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
