//! Locations, postal addresses, and e-mail addresses and telephone numbers.

use std::borrow::Cow;

use crate::sample::{
    customer::{Change, Customer, What},
    draw::{Draw, Subject},
    moment::{DAY, Moment},
    record::{Body, Record, Stamp, recid},
    shape::{Shape, Table},
    shares,
    words::{CITIES, STREETS},
    world::World,
};

use super::customers;

/// Locations of one customer, by what is there.
const LOCATIONS: u64 = 8;
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
pub(super) fn primary_links(world: &World, customer: &Customer) -> Links {
    let at = |place| location(customer.number, place);
    let mut draw = world.draw_again(Subject::CustomerAddress, customer.number, u32::MAX);
    let mistaken = draw.chance(world.dirt.phone_as_email);
    Links { address: at(HOME), phone: at(PHONE), email: at(if mistaken { PHONE } else { EMAIL }) }
}

/// Record id of a location, and of the telephone number or e-mail address there.
fn location(customer: u64, place: u64) -> i64 {
    recid(customer * LOCATIONS + place)
}

/// The locations that a customer has; none for those that share another's party.
fn places(world: &World, customer: &Customer) -> Vec<u64> {
    if customer.party() != Some(customer.number) {
        return Vec::new();
    }
    let mut draw = world.draw(Subject::CustomerAddress, customer.number);
    let (home, email) = (draw.chance(shares::SECOND_ADDRESS), draw.chance(shares::SECOND_ADDRESS));
    let seconds = [(home, SECOND_HOME), (email, SECOND_EMAIL)];
    [HOME, PHONE, EMAIL]
        .into_iter()
        .chain(seconds.into_iter().filter(|(has, _)| *has).map(|(_, place)| place))
        .collect()
}

/// A customer's place, for the tables that only name it.
#[derive(Clone)]
struct Place {
    customer: u64,
    party: i64,
    place: u64,
}

impl Body for Place {}

fn places_of(world: &World, number: u64, rows: &mut Vec<Record<Place>>) {
    let customer = world.customer(number);
    let party = world.party_recid(number);
    for place in places(world, &customer) {
        let stamp = Stamp::new(number * LOCATIONS + place, customer.company, customer.since);
        rows.push(Record { stamp, body: Place { customer: number, party, place } });
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
    from: Moment,
    to: Moment,
}

impl Body for PostalAddress {
    fn outdate(&mut self) {
        self.street_number += 1000;
    }
}

impl PostalAddress {
    fn new(location: i64, country: &'static str, mut draw: Draw, from: Moment, to: Moment) -> Self {
        let street = draw.pick(STREETS);
        let street_number = 1 + draw.below(300);
        let city = draw.below(CITIES.len() as u64) as usize;
        Self { location, country, street, street_number, city, from, to }
    }

    /// The address as it is printed, on several lines.
    fn lines(&self) -> String {
        let (city, _, state, zip) = CITIES[self.city];
        format!("{} {}\n{city}, {state} {zip}\n{}", self.street_number, self.street, self.country)
    }
}

fn logistics_postal_address() -> Shape<PostalAddress> {
    Shape::new("logisticspostaladdress", 4941, customers, |world, number, rows| {
        let customer = world.customer(number);
        if customer.party() == Some(number) {
            addresses_of(world, &customer, rows);
        }
    })
    .changing(World::customer_changed)
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
    .long("isprivate", |_| 0)
    .long("privateforparty", |_| 0)
    .time("validfrom", |row| row.from)
    .time("validto", |row| row.to)
}

fn addresses_of(world: &World, customer: &Customer, rows: &mut Vec<Record<PostalAddress>>) {
    let moves: Vec<_> = customer.changes_of(What::Address).collect();
    let mut draw = world.draw(Subject::CustomerAddress, customer.number + (1 << 40));
    let has = [
        draw.chance(shares::FORMER),
        draw.chance(shares::FUTURE_ADDRESS),
        draw.chance(world.dirt.overlapping),
        draw.chance(world.dirt.tied),
        places(world, customer).contains(&SECOND_HOME),
    ];
    let began = customer.since.0.plus(-DAY);
    let left = moves.first().map_or(Moment::FOREVER, |moved| moved.when.plus(-1_000_000));
    let next = world.rounds[0].as_of.plus(90 * DAY);
    let periods = [
        (customer.long_ago(8), began.plus(-1_000_000)),
        (next, Moment::FOREVER),
        (customer.long_ago(9), Moment::FOREVER),
        (began, Moment::FOREVER),
        (began, Moment::FOREVER),
    ];

    let mut home = address(world, customer, 0, HOME, (began, left));
    if let Some(moved) = moves.first() {
        home.stamp = home.stamp.changed(moved.round, moved.when);
    }
    rows.push(home);
    for (number, period) in (1..).zip(periods) {
        if has[number as usize - 1] {
            let place = if number == 5 { SECOND_HOME } else { HOME };
            rows.push(address(world, customer, number, place, period));
        }
    }
    rows.extend((0..moves.len()).filter_map(|number| moved_to(world, customer, &moves, number)));
}

/// The address of a move, until the next one.
fn moved_to(world: &World, customer: &Customer, moves: &[&Change], number: usize) -> Option<Record<PostalAddress>> {
    let (moved, next) = (moves.get(number)?, moves.get(number + 1));
    let place = FIRST_MOVE + number as u64;
    let to = next.map_or(Moment::FOREVER, |next| next.when.plus(-1_000_000));
    let mut row = address(world, customer, place, HOME, (moved.when, to));
    row.stamp = Stamp { created: moved.when, ..row.stamp }.changed(moved.round, moved.when);
    if let Some(next) = next {
        row.stamp = row.stamp.changed(next.round, next.when);
    }
    (place < POSTAL_ADDRESSES).then_some(row)
}

fn address(
    world: &World,
    customer: &Customer,
    number: u64,
    place: u64,
    (from, to): (Moment, Moment),
) -> Record<PostalAddress> {
    let draw = world.draw_again(Subject::CustomerAddress, customer.number, number as u32 + 1);
    let country = world.companies[customer.company].country;
    Record {
        stamp: Stamp::new(customer.number * POSTAL_ADDRESSES + number, customer.company, customer.since),
        body: PostalAddress::new(location(customer.number, place), country, draw, from, to),
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

impl Body for ElectronicAddress {
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
    Shape::new("logisticselectronicaddress", 4814, customers, |world, number, rows| {
        let customer = world.customer(number);
        let postal = |place: &u64| *place <= SECOND_HOME;
        rows.extend(
            places(world, &customer)
                .into_iter()
                .filter(|place| !postal(place))
                .map(|place| electronic_address(world, &customer, place)),
        );
    })
    .changing(World::customer_changed)
    .long("type", |row| if row.is_phone() { 1 } else { 2 })
    .text("locator", |row| Cow::from(&row.locator))
    .text("locatorextension", |_| Cow::from(""))
    .text("description", |row| Cow::from(if row.is_phone() { "Mobile, \"first\"" } else { "E-mail" }))
    .long("isprimary", |row| i64::from(row.place != SECOND_EMAIL))
    .long("ismobilephone", |row| i64::from(row.is_phone()))
    .long("isinstantmessage", |_| 0)
    .text("electronicaddressroles", |_| Cow::from(""))
    .long("location", |row| row.location)
}

fn electronic_address(world: &World, customer: &Customer, place: u64) -> Record<ElectronicAddress> {
    let mut stamp = Stamp::new(customer.number * LOCATIONS + place, customer.company, customer.since);
    let changes = customer.changes_of(What::Email);
    let turn = changes.clone().count() as u32;
    if let (EMAIL, Some(change)) = (place, changes.clone().next_back()) {
        stamp = stamp.changed(change.round, change.when);
    }
    let (locator, former) = match place {
        PHONE => (customer.phone(), "+1 000-555-0100".to_owned()),
        EMAIL => (customer.email(world, turn), customer.email(world, turn + 1)),
        _ => (format!("second{}@example.net", customer.number), String::new()),
    };
    let body = ElectronicAddress { location: location(customer.number, place), place, locator, former };
    Record { stamp, body }
}
