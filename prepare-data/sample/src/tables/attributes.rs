//! Attributes of products: the brand, and one that is none.

use std::borrow::Cow;

use crate::{
    record::{Record, RowData, recid},
    shape::{Shape, Table},
    vocab::BRANDS,
};

use super::catalogue::{product_metadata, products};

/// Names of attributes, with the spelling that occurs.
const ATTRIBUTES: &[&str] = &["BRAND", "Care"];
/// Of so many products one has no attributes.
const WITHOUT: u64 = 10;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(eco_res_attribute()),
        Box::new(eco_res_product_instance_value()),
        Box::new(eco_res_attribute_value()),
        Box::new(eco_res_text_value()),
    ]
}

/// A product's value of an attribute.
#[derive(Clone, Copy)]
struct Value {
    product: u64,
    attribute: u64,
}

impl RowData for Value {}

impl Value {
    fn number(self) -> u64 {
        self.product * ATTRIBUTES.len() as u64 + self.attribute
    }

    fn text(&self) -> Cow<'_, str> {
        match self.attribute {
            0 => Cow::from(BRANDS[self.product as usize % BRANDS.len()]),
            _ => Cow::from("Machine washable"),
        }
    }

    fn all_of(product: u64) -> impl Iterator<Item = Self> {
        let count = if product % WITHOUT == WITHOUT - 1 { 0 } else { ATTRIBUTES.len() as u64 };
        (0..count).map(move |attribute| Self { product, attribute })
    }
}

fn values(name: &'static str, table_id: u32) -> Shape<Value> {
    Shape::new(name, table_id, products, |shop, product, rows| {
        let record = |data: Value| Record { metadata: product_metadata(shop, data.number()), data };
        rows.extend(Value::all_of(product).map(record));
    })
}

fn eco_res_attribute_value() -> Shape<Value> {
    values("ecoresattributevalue", 2648)
        .long("attribute", |row| recid(row.attribute))
        .long("instancevalue", |row| recid(row.product))
        .long("value", |row| recid(row.number()))
}

fn eco_res_text_value() -> Shape<Value> {
    values("ecorestextvalue", 3310).text("textvalue", Value::text)
}

fn eco_res_product_instance_value() -> Shape<Value> {
    Shape::new("ecoresproductinstancevalue", 3277, products, |shop, product, rows| {
        let record = |data: Value| Record { metadata: product_metadata(shop, product), data };
        rows.extend(Value::all_of(product).take(1).map(record));
    })
    .long("product", |row| recid(row.product))
}

#[derive(Clone)]
struct Attribute {
    name: &'static str,
}

impl RowData for Attribute {}

fn eco_res_attribute() -> Shape<Attribute> {
    let count = |_: &crate::shop::Shop, _| ATTRIBUTES.len() as u64;
    Shape::new("ecoresattribute", 2644, count, |shop, number, rows| {
        let data = Attribute { name: ATTRIBUTES[number as usize % ATTRIBUTES.len()] };
        rows.push(Record { metadata: product_metadata(shop, number), data });
    })
    .settled()
    .text("name", |row| Cow::from(row.name))
}
