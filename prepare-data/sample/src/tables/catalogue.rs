//! Products, their names and categories, and the channels that sell them.

use std::borrow::Cow;

use crate::{
    channel::{Channel, channel_recid},
    random::Subject,
    ratios,
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::Shop,
    vocab::{CATEGORIES, GOODS, MATERIALS},
};

/// Hierarchies of categories: the first contains every product.
const HIERARCHIES: &[&str] = &["Retail product hierarchy", "Navigation (Fashion)", "Procurement, \"internal\""];
/// Shares of the products that are in each.
const IN_HIERARCHY: &[f64] = &[1.0, 0.75, 0.5];
/// Share of products that are in a second category of the second hierarchy.
const SECOND_CATEGORY: f64 = 0.1;
/// Most companies that records of shared products are numbered for.
pub(super) const MOST_COMPANIES: u64 = 1024;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(invent_table()),
        Box::new(eco_res_product_translation()),
        Box::new(eco_res_product_category()),
        Box::new(eco_res_product()),
        Box::new(eco_res_category()),
        Box::new(eco_res_category_hierarchy()),
        Box::new(retail_channel_table()),
    ]
}

impl Shop {
    /// The product's number in every company: items are kept in a master company and shared with all.
    pub(crate) fn item_id(&self, product: u64) -> String {
        format!("{}", 81_000 + product)
    }

    /// The product's price in hundredths.
    pub(crate) fn price(&self, product: u64) -> i64 {
        499 + 100 * self.random(Subject::Product, product).favouring_small(300) as i64
    }

    /// The product's name in a language after it was renamed a number of times.
    pub(crate) fn product_name(&self, product: u64, language: &str, renamed: u32) -> String {
        let mut random = self.random_again(Subject::Product, product, renamed + 1);
        let (material, goods) = (random.pick(MATERIALS), random.pick(GOODS));
        match language.get(..2) {
            Some("de") => format!("{goods} aus {material}"),
            Some("fr") => format!("{goods} en {material}"),
            _ => format!("{material} {goods}, {}\"", 10 + product % 30),
        }
    }

    fn product_changes(&self, product: u64) -> Vec<u32> {
        self.changes(Subject::ProductChange, product, 0, |round| round.share * ratios::change::RENAMED_PRODUCTS)
    }
}

pub(super) fn products(shop: &Shop, _: u32) -> u64 {
    shop.products
}

fn product_changed(shop: &Shop, product: u64, round: u32) -> bool {
    shop.product_changes(product).contains(&round)
}

pub(super) fn product_metadata(shop: &Shop, number: u64) -> RowMetadata {
    RowMetadata::new(number, 0, (shop.linked(), 0))
}

/// A product as one company knows it.
#[derive(Clone)]
struct Item {
    product: u64,
    id: String,
    alias: String,
}

impl RowData for Item {}

fn invent_table() -> Shape<Item> {
    Shape::new("inventtable", 10_120, products, |shop, product, rows| {
        for company in 0..shop.companies.len() {
            let mut metadata = product_metadata(shop, product * MOST_COMPANIES + company as u64);
            metadata.company = company;
            let data = Item { product, id: shop.item_id(product), alias: shop.product_name(product, "en", 0) };
            rows.push(Record { metadata, data });
        }
    })
    .per_company()
    .text("itemid", |row| Cow::from(&row.id))
    .long("product", |row| recid(row.product))
    .text("namealias", |row| Cow::from(row.alias.chars().filter(|c| *c != ',').take(20).collect::<String>()))
    .long("itemtype", |_| 0)
}

/// A product without regard to companies.
#[derive(Clone)]
struct Product {
    id: String,
}

impl RowData for Product {}

fn eco_res_product() -> Shape<Product> {
    Shape::new("ecoresproduct", 3265, products, |shop, product, rows| {
        rows.push(Record { metadata: product_metadata(shop, product), data: Product { id: shop.item_id(product) } });
    })
    .text("displayproductnumber", |row| Cow::from(&row.id))
    .text("searchname", |_| Cow::from(""))
    .long("producttype", |_| 1)
}

/// A product's name in one language.
#[derive(Clone)]
struct Translation {
    product: u64,
    language: &'static str,
    name: String,
}

impl RowData for Translation {
    fn outdate(&mut self) {
        self.name.push_str(" (old)");
    }
}

/// Languages of product names, with the spellings that occur.
const LANGUAGES: &[&str] = &["en-us", "de", "fr", "en-GB"];

fn eco_res_product_translation() -> Shape<Translation> {
    Shape::new("ecoresproducttranslation", 3299, products, |shop, product, rows| {
        let changes = shop.product_changes(product);
        for (place, language) in (0..).zip(LANGUAGES) {
            let mut random = shop.random_again(Subject::Product, product, 1000 + place);
            if random.chance(shop.dirt.no_translation) {
                continue;
            }
            let mut metadata = product_metadata(shop, product * 8 + u64::from(place));
            if let Some(round) = changes.last() {
                let when = shop.within_round(*round, &mut shop.random_again(Subject::ProductChange, product, *round));
                metadata = metadata.changed(*round, when);
            }
            let data =
                Translation { product, language, name: shop.product_name(product, language, changes.len() as u32) };
            rows.push(Record { metadata, data });
        }
    })
    .changing(product_changed)
    .long("product", |row| recid(row.product))
    .text("languageid", |row| Cow::from(row.language))
    .text("name", |row| Cow::from(&row.name))
    .text("description", |row| Cow::from(format!("{}\nMachine washable.", row.name)))
}

/// A product in a category.
#[derive(Clone)]
struct Membership {
    product: u64,
    hierarchy: u64,
    category: u64,
}

impl RowData for Membership {}

fn eco_res_product_category() -> Shape<Membership> {
    Shape::new("ecoresproductcategory", 3292, products, |shop, product, rows| {
        let mut random = shop.random_again(Subject::Product, product, 2000);
        let mut add = |number: u64, hierarchy: u64, place: u64| {
            let category = hierarchy * CATEGORIES.len() as u64 + place;
            let metadata = product_metadata(shop, product * 8 + number);
            rows.push(Record { metadata, data: Membership { product, hierarchy, category } });
        };
        let places = CATEGORIES.len() as u64;
        for (hierarchy, share) in (0..).zip(IN_HIERARCHY) {
            let place = random.below(places);
            if random.chance(*share) {
                add(hierarchy, hierarchy, place);
            }
        }
        if random.chance(SECOND_CATEGORY) {
            add(HIERARCHIES.len() as u64, 1, random.below(places));
        }
    })
    .long("product", |row| recid(row.product))
    .long("category", |row| recid(row.category))
    .long("categoryhierarchy", |row| recid(row.hierarchy))
    .decimal("displayorder", |_| 0)
}

/// A category or a hierarchy.
#[derive(Clone)]
struct Named {
    number: u64,
    name: &'static str,
}

impl RowData for Named {}

/// The categories of a hierarchy, and its root, whose number comes after those of all categories. The third category and
/// later ones are below the first or the second.
fn eco_res_category() -> Shape<Named> {
    let count = |_: &Shop, _| (HIERARCHIES.len() * (CATEGORIES.len() + 1)) as u64;
    Shape::new("ecorescategory", 2665, count, |shop, number, rows| {
        let place = number as usize % CATEGORIES.len();
        let root = (number as usize).checked_sub(HIERARCHIES.len() * CATEGORIES.len());
        let name = root.map_or(CATEGORIES[place], |hierarchy| HIERARCHIES[hierarchy]);
        rows.push(Record { metadata: product_metadata(shop, number), data: Named { number, name } });
    })
    .settled()
    .text("code", |row| Cow::from(format!("{:03}", row.number)))
    .text("name", |row| Cow::from(row.name))
    .long("categoryhierarchy", |row| recid(hierarchy_of(row.number)))
    .long("parentcategory", |row| parent_of(row.number).map_or(0, recid))
}

fn hierarchy_of(category: u64) -> u64 {
    let (hierarchies, categories) = (HIERARCHIES.len() as u64, CATEGORIES.len() as u64);
    category.checked_sub(hierarchies * categories).unwrap_or(category / categories)
}

fn parent_of(category: u64) -> Option<u64> {
    let (hierarchies, categories) = (HIERARCHIES.len() as u64, CATEGORIES.len() as u64);
    if category >= hierarchies * categories {
        return None;
    }
    match (category / categories, category % categories) {
        (hierarchy, 0 | 1) => Some(hierarchies * categories + hierarchy),
        (hierarchy, place) => Some(hierarchy * categories + place % 2),
    }
}

fn eco_res_category_hierarchy() -> Shape<Named> {
    Shape::new(
        "ecorescategoryhierarchy",
        2669,
        |_, _| HIERARCHIES.len() as u64,
        |shop, number, rows| {
            let name = HIERARCHIES[number as usize % HIERARCHIES.len()];
            rows.push(Record { metadata: product_metadata(shop, number), data: Named { number, name } });
        },
    )
    .settled()
    .text("name", |row| Cow::from(row.name))
}

impl RowData for (Channel, i64) {}

fn retail_channel_table() -> Shape<(Channel, i64)> {
    Shape::new(
        "retailchanneltable",
        10_712,
        |shop, _| shop.channels(),
        |shop, number, rows| {
            let mut metadata = RowMetadata::new(number, 0, (shop.linked(), 0));
            metadata.number = (channel_recid(number) - recid(0)) as u64;
            rows.push(Record { metadata, data: (shop.channel(number), shop.operating_unit(number)) });
        },
    )
    .settled()
    .text("retailchannelid", |row| Cow::from(&row.0.id))
    .text("storenumber", |row| Cow::from(if row.0.kind == 0 { &row.0.id } else { "" }))
    .long("channeltype", |row| row.0.kind)
    .long("omoperatingunitid", |row| row.1)
    .text("currency", |row| Cow::from(row.0.currency))
    .text("inventlocationdataareaid", |row| Cow::from(&row.0.company_code))
    .text("inventlocation", |row| Cow::from(format!("W{:03}", row.0.number)))
}
