//! Customers, parties and the names of persons.

use std::{borrow::Cow, sync::Arc};

use crate::{
    customer::{Customer, Name, What},
    random::Subject,
    ratios,
    record::{Record, RowData, RowMetadata, recid},
    shape::{Shape, Table},
    shop::Shop,
    timestamp::{DAY, Timestamp},
    vocab::LAST_NAMES,
};

use super::{addresses, customers};

/// Names of one person: the present one, former and later ones, and one for each change.
const NAMES_PER_PERSON: u64 = 16;
/// First of the numbers of names that came with changes.
const FIRST_CHANGED_NAME: u64 = 4;

pub(super) fn tables() -> Vec<Box<dyn Table>> {
    vec![
        Box::new(dir_person_name()),
        Box::new(dir_party_table()),
        Box::new(cust_table()),
        Box::new(retail_cust_table()),
        Box::new(sql_dictionary()),
    ]
}

impl Shop {
    /// Parties of the enterprise's own: each company a legal entity and a team, each channel an operating unit.
    fn own_parties(&self) -> u64 {
        self.companies.len() as u64 * 2 + self.channels()
    }

    /// Record id of a customer's party.
    pub(crate) fn party_recid(&self, customer: u64) -> i64 {
        recid(self.own_parties() + customer)
    }

    /// Record id of the operating unit that a channel is.
    pub(crate) fn operating_unit(&self, channel: u64) -> i64 {
        recid(self.companies.len() as u64 * 2 + channel)
    }
}

#[derive(Clone)]
struct CustomerRow {
    customer: Arc<Customer>,
    party: i64,
    currency: &'static str,
}

impl RowData for CustomerRow {
    fn outdate(&mut self) {
        Arc::make_mut(&mut self.customer).group = "10";
    }
}

fn customer_metadata(customer: &Customer) -> RowMetadata {
    let mut metadata = RowMetadata::new(customer.number, customer.company, customer.since);
    metadata.settled = customer.walk_in;
    for change in customer.changes.iter().filter(|change| matches!(change.what, What::Group | What::Deleted)) {
        metadata = metadata.changed(change.round, change.when);
        metadata.deleted |= change.what == What::Deleted;
    }
    metadata
}

fn cust_table() -> Shape<CustomerRow> {
    Shape::new("custtable", 10_347, customers, |shop, number, rows| {
        let customer = Arc::new(shop.customer(number));
        let metadata = customer_metadata(&customer);
        let party = customer.party().map_or(0, |party| shop.party_recid(party));
        let currency = shop.companies[customer.company].currency;
        rows.push(Record { metadata, data: CustomerRow { customer, party, currency } });
    })
    .per_company()
    .changing(Shop::customer_changed)
    .text("accountnum", |row| Cow::from(&row.customer.account))
    .text("custgroup", |row| Cow::from(row.customer.group))
    .text("currency", |row| Cow::from(row.currency))
    .text("invoiceaccount", |_| Cow::from(""))
    .long("blocked", |_| 0)
    .long("defaultdimension", |row| recid(row.customer.number % 7))
    .long("party", |row| row.party)
}

/// What a customer chose. Whose group changes may choose anew.
#[derive(Clone)]
struct Choices {
    account: String,
    personalization: bool,
    web_tracking: bool,
}

impl RowData for Choices {
    fn outdate(&mut self) {
        self.personalization = !self.personalization;
    }
}

fn retail_cust_table() -> Shape<Choices> {
    Shape::new("retailcusttable", 10_733, customers, |shop, number, rows| {
        let customer = shop.customer(number);
        let metadata = customer_metadata(&customer);
        let (personalization, web_tracking) = (number % 11 == 3, number % 7 == 3);
        rows.push(Record { metadata, data: Choices { account: customer.account, personalization, web_tracking } });
    })
    .per_company()
    .changing(Shop::customer_changed)
    .text("accountnum", |row| Cow::from(&row.account))
    .text("receiptemail", |_| Cow::from(""))
    .long("receiptoption", |_| 0)
    .long("optoutpersonalization", |row| i64::from(row.personalization))
    .long("optoutwebactivitytracking", |row| i64::from(row.web_tracking))
}

/// A party: a customer's, or one of the enterprise's own.
#[derive(Clone)]
struct Party {
    number: u64,
    name: String,
    former_name: String,
    language: &'static str,
    kind: i64,
    address: i64,
    phone: i64,
    email: i64,
}

impl RowData for Party {
    fn outdate(&mut self) {
        self.name = self.former_name.clone();
    }
}

fn dir_party_table() -> Shape<Party> {
    let count = |shop: &Shop, round| shop.own_parties() + customers(shop, round);
    Shape::new("dirpartytable", 2303, count, |shop, number, rows| match number.checked_sub(shop.own_parties()) {
        None => rows.push(own_party(shop, number)),
        Some(customer) => rows.extend(party_of_customer(shop, shop.customer(customer))),
    })
    .changing(|shop, number, round| {
        let customer = number.checked_sub(shop.own_parties());
        customer.is_some_and(|customer| shop.customer_changed(customer, round))
    })
    .text("partynumber", |row| Cow::from(format!("P{:08}", row.number)))
    .text("name", |row| Cow::from(&row.name))
    .text("namealias", |row| Cow::from(row.name.chars().take(20).collect::<String>()))
    .text("knownas", |_| Cow::from(""))
    .text("languageid", |row| Cow::from(row.language))
    .long("instancerelationtype", |row| row.kind)
    .long("primaryaddresslocation", |row| row.address)
    .long("primarycontactphone", |row| row.phone)
    .long("primarycontactemail", |row| row.email)
    .text("addressbooknames", |_| Cow::from(""))
}

fn party_of_customer(shop: &Shop, customer: Customer) -> Option<Record<Party>> {
    let own = customer.party() == Some(customer.number);
    let mut metadata = RowMetadata::new(shop.own_parties() + customer.number, customer.company, customer.since);
    metadata.settled = customer.walk_in;
    if let Some(change) = customer.changes_of(What::Name).next_back() {
        metadata = metadata.changed(change.round, change.when);
    }
    let types = &shop.party_types;
    let links = addresses::primary_links(shop, &customer);
    let data = Party {
        number: metadata.number,
        name: customer.full_name(shop, customer.renamed()),
        former_name: customer.full_name(shop, customer.renamed() + 1),
        language: shop.companies[customer.company].language,
        kind: if customer.organisation { types.organization } else { types.person },
        address: links.address,
        phone: links.phone,
        email: links.email,
    };
    own.then_some(Record { metadata, data })
}

fn own_party(shop: &Shop, number: u64) -> Record<Party> {
    let companies = shop.companies.len() as u64;
    let types = &shop.party_types;
    let (kind, name, company) = match number {
        entity if entity < companies => (types.legal_entity, "Retail", entity as usize),
        team if team < 2 * companies => (types.team, "Customer service", (team - companies) as usize),
        unit => {
            let channel = shop.channel(unit - 2 * companies);
            return own_party_row(shop, number, types.operating_unit, channel.name, channel.company);
        }
    };
    let name = format!("{} {name}", shop.companies[company].code.to_uppercase());
    own_party_row(shop, number, kind, name, company)
}

fn own_party_row(shop: &Shop, number: u64, kind: i64, name: String, company: usize) -> Record<Party> {
    let language = shop.companies[company].language;
    let former_name = name.clone();
    let data = Party { number, name, former_name, language, kind, address: 0, phone: 0, email: 0 };
    Record { metadata: RowMetadata::new(number, company, (shop.linked().plus(-3000 * DAY), 0)), data }
}

/// A name that a person bears for some time.
#[derive(Clone)]
struct PersonName {
    person: i64,
    name: Name,
    from: Timestamp,
    to: Timestamp,
}

impl RowData for PersonName {
    fn outdate(&mut self) {
        self.name.last = LAST_NAMES[self.name.last.len() % LAST_NAMES.len()];
    }
}

fn dir_person_name() -> Shape<PersonName> {
    Shape::new("dirpersonname", 4802, customers, |shop, number, rows| {
        let customer = shop.customer(number);
        if !customer.organisation && customer.party() == Some(number) {
            names_of(shop, &customer, rows);
        }
    })
    .changing(Shop::customer_changed)
    .long("person", |row| row.person)
    .text("firstname", |row| Cow::from(row.name.first))
    .text("middlename", |row| Cow::from(row.name.middle))
    .text("lastnameprefix", |row| Cow::from(row.name.prefix))
    .text("lastname", |row| Cow::from(row.name.last))
    .time("validfrom", |row| row.from)
    .time("validto", |row| row.to)
}

fn names_of(shop: &Shop, customer: &Customer, rows: &mut Vec<Record<PersonName>>) {
    let mut random = shop.random(Subject::CustomerName, customer.number + (1 << 40));
    let (former, overlapping) = (random.chance(ratios::FORMER), random.chance(shop.dirt.overlapping));
    let tied = random.chance(shop.dirt.tied);
    let since = customer.since.0;
    let began = if former { since.plus(-DAY) } else { customer.long_ago(1) };
    let changes: Vec<_> = customer.changes_of(What::Name).collect();
    let row = |place: u64, turn: u32, from: Timestamp, to: Timestamp| Record {
        metadata: RowMetadata::new(customer.number * NAMES_PER_PERSON + place, customer.company, customer.since),
        data: PersonName { person: shop.party_recid(customer.number), name: customer.name(shop, turn), from, to },
    };

    let mut first = row(0, 0, began, changes.first().map_or(Timestamp::FOREVER, |change| change.when.plus(-1_000_000)));
    if let Some(change) = changes.first() {
        first.metadata = first.metadata.changed(change.round, change.when);
    }
    rows.push(first);
    if former {
        rows.push(row(1, 100, customer.long_ago(10), began.plus(-1_000_000)));
    }
    if overlapping {
        rows.push(row(2, 101, customer.long_ago(12), Timestamp::FOREVER));
    }
    if tied {
        rows.push(row(3, 102, began, Timestamp::FOREVER));
    }
    for (place, change) in changes.iter().enumerate().take((NAMES_PER_PERSON - FIRST_CHANGED_NAME) as usize) {
        let until = changes.get(place + 1);
        let to = until.map_or(Timestamp::FOREVER, |next| next.when.plus(-1_000_000));
        let mut row = row(FIRST_CHANGED_NAME + place as u64, place as u32 + 1, change.when, to);
        row.metadata = RowMetadata { created: change.when, ..row.metadata }.changed(change.round, change.when);
        if let Some(next) = until {
            row.metadata = row.metadata.changed(next.round, next.when);
        }
        rows.push(row);
    }
}

/// A table of the environment by name and id.
#[derive(Clone)]
struct TableName {
    name: &'static str,
    id: i64,
}

impl RowData for TableName {}

fn sql_dictionary() -> Shape<TableName> {
    Shape::new(
        "sqldictionary",
        65_518,
        |_, _| 6,
        |shop, number, rows| {
            let types = &shop.party_types;
            let names = [
                ("DirPerson", types.person),
                ("DirOrganization", types.organization),
                ("DirTeam", types.team),
                ("OMOperatingUnit", types.operating_unit),
                ("CompanyInfo", types.legal_entity),
                ("CustTable", 10_347),
            ];
            let (name, id) = names[number as usize % names.len()];
            rows.push(Record {
                metadata: RowMetadata::new(number, 0, (shop.linked(), 0)),
                data: TableName { name, id },
            });
        },
    )
    .settled()
    .text("name", |row| Cow::from(row.name))
    .text("sqlname", |row| Cow::from(row.name.to_uppercase()))
    .long("fieldid", |_| 0)
    .long("tableid", |row| row.id)
}
