//! Variants of products, and the dimensions that they consist of.

use std::borrow::Cow;

use crate::{
    record::{Record, RowData, RowMetadata},
    shape::{Shape, Table},
    shop::Shop,
    vocab::{COLORS, SIZES},
};

use super::catalogue::{MOST_COMPANIES, product_metadata, products};

/// Most variants that a product has.
const MOST_VARIANTS: u64 = 6;
/// Every fourth product is sold in one form only.
const PLAIN_PRODUCTS: u64 = 4;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![Box::new(invent_dim_combination()), Box::new(invent_dim())]
}

impl Shop {
    /// Number of a product's variant, which is the same in every company; empty if the product has no variants.
    pub(crate) fn variant_number(&self, product: u64, choice: u64) -> String {
        match variant_count(product) {
            0 => String::new(),
            count => format!("V{:06}", product * MOST_VARIANTS + choice % count),
        }
    }
}

fn variant_count(product: u64) -> u64 {
    if product.is_multiple_of(PLAIN_PRODUCTS) { 0 } else { 1 + product % MOST_VARIANTS }
}

/// A color and a size. One of a product's first variants differs from the next in its size.
#[derive(Clone, Copy)]
struct Dimensions {
    color: usize,
    size: usize,
}

impl Dimensions {
    fn numbered(number: u64) -> Self {
        let number = number as usize;
        Self { color: number / SIZES.len() % COLORS.len(), size: number % SIZES.len() }
    }

    fn of(product: u64, variant: u64) -> Self {
        let sizes = SIZES.len() as u64;
        Self::numbered((product + variant / sizes) * sizes + variant % sizes)
    }

    fn id(self, stocked: bool) -> String {
        format!("#{}{:03}", if stocked { "W" } else { "D" }, self.color * SIZES.len() + self.size)
    }
}

fn for_each_company(shop: &Shop, number: u64, mut add: impl FnMut(RowMetadata)) {
    for company in 0..shop.companies.len() {
        let mut metadata = product_metadata(shop, number * MOST_COMPANIES + company as u64);
        metadata.company = company;
        add(metadata);
    }
}

/// A variant as one company knows it.
#[derive(Clone)]
struct Variant {
    item: String,
    number: String,
    dimensions: Dimensions,
}

impl RowData for Variant {}

fn invent_dim_combination() -> Shape<Variant> {
    Shape::new("inventdimcombination", 10_118, products, |shop, product, rows| {
        for variant in 0..variant_count(product) {
            let data = Variant {
                item: shop.item_id(product),
                number: shop.variant_number(product, variant),
                dimensions: Dimensions::of(product, variant),
            };
            for_each_company(shop, product * MOST_VARIANTS + variant, |metadata| {
                rows.push(Record { metadata, data: data.clone() });
            });
        }
    })
    .per_company()
    .text("itemid", |row| Cow::from(&row.item))
    .text("inventdimid", |row| Cow::from(row.dimensions.id(false)))
    .text("retailvariantid", |row| Cow::from(&row.number))
}

/// Dimensions with their id. Stock has dimensions of its own, with a warehouse.
#[derive(Clone)]
struct DimensionSet {
    dimensions: Dimensions,
    stocked: bool,
}

impl RowData for DimensionSet {}

fn invent_dim() -> Shape<DimensionSet> {
    let count = |_: &Shop, _| 2 * (COLORS.len() * SIZES.len()) as u64;
    Shape::new("inventdim", 698, count, |shop, number, rows| {
        let data = DimensionSet { dimensions: Dimensions::numbered(number / 2), stocked: number % 2 == 1 };
        for_each_company(shop, number, |metadata| rows.push(Record { metadata, data: data.clone() }));
    })
    .settled()
    .per_company()
    .text("inventdimid", |row| Cow::from(row.dimensions.id(row.stocked)))
    .text("inventcolorid", |row| Cow::from(COLORS[row.dimensions.color]))
    .text("inventsizeid", |row| Cow::from(SIZES[row.dimensions.size]))
    .text("inventstyleid", |_| Cow::from(""))
    .text("configid", |_| Cow::from(""))
    .text("inventlocationid", |row| Cow::from(if row.stocked { "W001" } else { "" }))
}
