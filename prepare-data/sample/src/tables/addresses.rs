//! Locations, postal addresses, and e-mail addresses and telephone numbers.

use std::borrow::Cow;

use crate::{
    customer::{Change, Customer, What},
    random::{Random, Subject},
    ratios,
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::Shop,
    timestamp::{DAY, Timestamp},
    vocab::{CITIES, STREETS},
};

use super::customers;

/// Locations of one customer, by what is there.
const LOCATIONS: u64 = 8;
/// Of so many addresses one is private.
const PRIVATE: i64 = 31;
const HOME: u64 = 0;
const SECOND_HOME: u64 = 1;
const PHONE: u64 = 2;
const EMAIL: u64 = 3;
const SECOND_EMAIL: u64 = 4;

/// Postal addresses of one customer: those of the first state, then one for each move.
const POSTAL_ADDRESSES: u64 = 32;
const FIRST_MOVE: u64 = 8;

/// What a party refers to as its primary address and contacts.
pub(super) struct Links {
    pub(super) address: i64,
    pub(super) phone: i64,
    pub(super) email: i64,
}

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(dir_party_location()),
        Box::new(logistics_location()),
        Box::new(logistics_postal_address()),
        Box::new(logistics_electronic_address()),
    ]
}

/// The primary references of a customer's party; now and then the e-mail reference points to the telephone.
pub(super) fn primary_links(shop: &Shop, customer: &Customer) -> Links {
    let at = |place| location(customer.number, place);
    let mut random = shop.random_again(Subject::CustomerAddress, customer.number, u32::MAX);
    let mistaken = random.chance(shop.dirt.phone_as_email);
    Links { address: at(HOME), phone: at(PHONE), email: at(if mistaken { PHONE } else { EMAIL }) }
}

/// Record id of a location, and of the telephone number or e-mail address there.
fn location(customer: u64, place: u64) -> i64 {
    recid(customer * LOCATIONS + place)
}

/// The locations that a customer has; none for those that share another's party.
fn places(shop: &Shop, customer: &Customer) -> Vec<u64> {
    if customer.party() != Some(customer.number) {
        return Vec::new();
    }
    let mut random = shop.random(Subject::CustomerAddress, customer.number);
    let (home, email) = (random.chance(ratios::SECOND_ADDRESS), random.chance(ratios::SECOND_ADDRESS));
    let seconds = [(home, SECOND_HOME), (email, SECOND_EMAIL)];
    [HOME, PHONE, EMAIL]
        .into_iter()
        .chain(seconds.into_iter().filter(|(has, _)| *has).map(|(_, place)| place))
        .collect()
}

/// One of many addresses is private.
fn is_private(location: i64) -> i64 {
    i64::from(location % PRIVATE == 0)
}

/// A customer's place, for the tables that only name it.
#[derive(Clone)]
struct Place {
    customer: u64,
    party: i64,
    place: u64,
}

impl RowData for Place {}

fn places_of(shop: &Shop, number: u64, rows: &mut Vec<Record<Place>>) {
    let customer = shop.customer(number);
    let party = shop.party_recid(number);
    for place in places(shop, &customer) {
        let metadata = RowMetadata::new(number * LOCATIONS + place, customer.company, customer.since);
        rows.push(Record { metadata, data: Place { customer: number, party, place } });
    }
}

impl Place {
    fn is_postal(&self) -> i64 {
        i64::from(self.place <= SECOND_HOME)
    }
}

fn logistics_location() -> Shape<Place> {
    Shape::new("logisticslocation", 4815, customers, places_of)
        .long("ispostaladdress", Place::is_postal)
        .text("description", |row| Cow::from(if row.place == HOME { "Home" } else { "" }))
        .text("locationid", |row| Cow::from(format!("{:09}", row.customer * LOCATIONS + row.place)))
        .long("parentlocation", |_| 0)
}

fn dir_party_location() -> Shape<Place> {
    Shape::new("dirpartylocation", 4718, customers, places_of)
        .long("party", |row| row.party)
        .long("location", |row| location(row.customer, row.place))
        .long("isprimary", |row| i64::from(matches!(row.place, HOME | PHONE | EMAIL)))
        .long("ispostaladdress", Place::is_postal)
        .long("isprivate", |_| 0)
}

/// An address for some time.
#[derive(Clone)]
struct PostalAddress {
    location: i64,
    country: &'static str,
    street: &'static str,
    street_number: u64,
    city: usize,
    from: Timestamp,
    to: Timestamp,
}

impl RowData for PostalAddress {
    fn outdate(&mut self) {
        self.street_number += 1000;
    }
}

impl PostalAddress {
    fn new(location: i64, country: &'static str, mut random: Random, from: Timestamp, to: Timestamp) -> Self {
        let street = random.pick(STREETS);
        let street_number = 1 + random.below(300);
        let city = random.below(CITIES.len() as u64) as usize;
        Self { location, country, street, street_number, city, from, to }
    }

    /// The address as it is printed, on several lines.
    fn lines(&self) -> String {
        let (city, _, state, zip) = CITIES[self.city];
        format!("{} {}\n{city}, {state} {zip}\n{}", self.street_number, self.street, self.country)
    }
}

fn logistics_postal_address() -> Shape<PostalAddress> {
    Shape::new("logisticspostaladdress", 4941, customers, |shop, number, rows| {
        let customer = shop.customer(number);
        if customer.party() == Some(number) {
            addresses_of(shop, &customer, rows);
        }
    })
    .changing(Shop::customer_changed)
    .long("location", |row| row.location)
    .text("address", |row| Cow::from(row.lines()))
    .text("street", |row| Cow::from(row.street))
    .text("streetnumber", |row| Cow::from(row.street_number.to_string()))
    .text("buildingcompliment", |_| Cow::from(""))
    .text("city", |row| Cow::from(CITIES[row.city].0))
    .text("county", |row| Cow::from(CITIES[row.city].1))
    .text("state", |row| Cow::from(CITIES[row.city].2))
    .text("districtname", |_| Cow::from(""))
    .text("zipcode", |row| Cow::from(CITIES[row.city].3))
    .text("countryregionid", |row| Cow::from(row.country))
    .text("postbox", |_| Cow::from(""))
    .decimal("latitude", |row| 47_620_000 + row.city as i64 * 1234)
    .decimal("longitude", |row| -122_349_000 + row.city as i64 * 4321)
    .long("timezone", |_| 0)
    .long("isprivate", |row| is_private(row.location))
    .long("privateforparty", |_| 0)
    .time("validfrom", |row| row.from)
    .time("validto", |row| row.to)
}

fn addresses_of(shop: &Shop, customer: &Customer, rows: &mut Vec<Record<PostalAddress>>) {
    let moves: Vec<_> = customer.changes_of(What::Address).collect();
    let mut random = shop.random(Subject::CustomerAddress, customer.number + (1 << 40));
    let has = [
        random.chance(ratios::FORMER),
        random.chance(ratios::FUTURE_ADDRESS),
        random.chance(shop.dirt.overlapping),
        random.chance(shop.dirt.tied),
        places(shop, customer).contains(&SECOND_HOME),
    ];
    let began = customer.since.0.plus(-DAY);
    let left = moves.first().map_or(Timestamp::FOREVER, |moved| moved.when.plus(-1_000_000));
    let next = shop.rounds[0].as_of.plus(90 * DAY);
    let periods = [
        (customer.long_ago(8), began.plus(-1_000_000)),
        (next, Timestamp::FOREVER),
        (customer.long_ago(9), Timestamp::FOREVER),
        (began, Timestamp::FOREVER),
        (began, Timestamp::FOREVER),
    ];

    let mut home = address(shop, customer, 0, HOME, (began, left));
    if let Some(moved) = moves.first() {
        home.metadata = home.metadata.changed(moved.round, moved.when);
    }
    rows.push(home);
    for (number, period) in (1..).zip(periods) {
        if has[number as usize - 1] {
            let place = if number == 5 { SECOND_HOME } else { HOME };
            rows.push(address(shop, customer, number, place, period));
        }
    }
    rows.extend((0..moves.len()).filter_map(|number| moved_to(shop, customer, &moves, number)));
}

/// The address of a move, until the next one.
fn moved_to(shop: &Shop, customer: &Customer, moves: &[&Change], number: usize) -> Option<Record<PostalAddress>> {
    let (moved, next) = (moves.get(number)?, moves.get(number + 1));
    let place = FIRST_MOVE + number as u64;
    let to = next.map_or(Timestamp::FOREVER, |next| next.when.plus(-1_000_000));
    let mut row = address(shop, customer, place, HOME, (moved.when, to));
    row.metadata = RowMetadata { created: moved.when, ..row.metadata }.changed(moved.round, moved.when);
    if let Some(next) = next {
        row.metadata = row.metadata.changed(next.round, next.when);
    }
    (place < POSTAL_ADDRESSES).then_some(row)
}

fn address(
    shop: &Shop,
    customer: &Customer,
    number: u64,
    place: u64,
    (from, to): (Timestamp, Timestamp),
) -> Record<PostalAddress> {
    let random = shop.random_again(Subject::CustomerAddress, customer.number, number as u32 + 1);
    let country = shop.companies[customer.company].country;
    Record {
        metadata: RowMetadata::new(customer.number * POSTAL_ADDRESSES + number, customer.company, customer.since),
        data: PostalAddress::new(location(customer.number, place), country, random, from, to),
    }
}

/// An e-mail address or a telephone number.
#[derive(Clone)]
struct ElectronicAddress {
    location: i64,
    place: u64,
    locator: String,
    former: String,
}

impl RowData for ElectronicAddress {
    fn outdate(&mut self) {
        self.locator = self.former.clone();
    }
}

impl ElectronicAddress {
    fn is_phone(&self) -> bool {
        self.place == PHONE
    }
}

fn logistics_electronic_address() -> Shape<ElectronicAddress> {
    Shape::new("logisticselectronicaddress", 4814, customers, |shop, number, rows| {
        let customer = shop.customer(number);
        let postal = |place: &u64| *place <= SECOND_HOME;
        rows.extend(
            places(shop, &customer)
                .into_iter()
                .filter(|place| !postal(place))
                .map(|place| electronic_address(shop, &customer, place)),
        );
    })
    .changing(Shop::customer_changed)
    .long("type", |row| if row.is_phone() { 1 } else { 2 })
    .text("locator", |row| Cow::from(&row.locator))
    .text("locatorextension", |_| Cow::from(""))
    .text("description", |row| Cow::from(if row.is_phone() { "Mobile, \"first\"" } else { "E-mail" }))
    .long("isprimary", |row| i64::from(row.place != SECOND_EMAIL))
    .long("ismobilephone", |row| i64::from(row.is_phone()))
    .long("isinstantmessage", |_| 0)
    .long("isprivate", |row| is_private(row.location))
    .long("privateforparty", |_| 0)
    .long("retailmarketingoptin", |row| i64::from(row.location % 3 == 0))
    .text("electronicaddressroles", |_| Cow::from(""))
    .long("location", |row| row.location)
}

fn electronic_address(shop: &Shop, customer: &Customer, place: u64) -> Record<ElectronicAddress> {
    let mut metadata = RowMetadata::new(customer.number * LOCATIONS + place, customer.company, customer.since);
    let changes = customer.changes_of(What::Email);
    let turn = changes.clone().count() as u32;
    if let (EMAIL, Some(change)) = (place, changes.clone().next_back()) {
        metadata = metadata.changed(change.round, change.when);
    }
    let (locator, former) = match place {
        PHONE => (customer.phone(), "+1 000-555-0100".to_owned()),
        EMAIL => (customer.email(shop, turn), customer.email(shop, turn + 1)),
        _ => (format!("second{}@example.net", customer.number), String::new()),
    };
    let data = ElectronicAddress { location: location(customer.number, place), place, locator, former };
    Record { metadata, data }
}
