//! The retailer's customers: several hundred people with names and addresses that often cause errors.

use std::sync::LazyLock;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

use super::fields::{Fields, Json};

/// A customer account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// The account number, unique for the retailer.
    pub account: String,
    /// The company that the account belongs to.
    pub data_area: &'static str,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// `Email`; empty for none.
    pub email: String,
    /// `ReceiptEmail`; empty for none.
    pub receipt_email: String,
    /// Phone number; empty for none.
    pub phone: String,
    /// Customer group.
    pub group: &'static str,
    /// `Language`.
    pub language: &'static str,
    /// `CurrencyCode`.
    pub currency: &'static str,
    /// Party number in the global address book.
    pub party_number: String,
    /// The base of the record ids in the account's rows.
    pub record_id: i64,
    /// The loyalty card. Only carts and orders contain it.
    pub loyalty_card: Option<String>,
}

impl Customer {
    /// First and last name.
    pub fn name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// The receipt e-mail address, or else the e-mail address. `None` if there is neither.
    pub fn reachable_at(&self) -> Option<&str> {
        [&self.receipt_email, &self.email].into_iter().find(|email| !email.is_empty()).map(String::as_str)
    }

    /// Whether headquarters has not created the account yet. Until then its number is a GUID ("Asynchronous customer
    /// creation mode").
    pub fn is_pending(&self) -> bool {
        uuid::Uuid::parse_str(&self.account).is_ok()
    }

    /// The account as it is until headquarters has created it.
    pub(super) fn pending(&self) -> Self {
        let number = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, self.account.as_bytes());
        Self { account: number.to_string(), party_number: String::new(), ..self.clone() }
    }

    /// The account as the Retail Server returns it.
    pub(crate) fn body(&self) -> String {
        static CUSTOMER: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/customer.json")));
        let mut fields = CUSTOMER.clone();
        fields
            .set("AccountNumber", &self.account)
            .set("RecordId", self.record_id)
            .set("CreatedDateTime", "2023-02-11T08:14:52Z")
            .set_all(&["Phone", "Cellphone"], &self.phone)
            .set("Email", &self.email)
            .set("ReceiptEmail", &self.receipt_email)
            .set("Name", self.name())
            .set("PersonNameId", self.record_id + 1)
            .set("FirstName", &self.first_name)
            .set("LastName", &self.last_name)
            .set("DirectoryPartyRecordId", self.record_id + 2)
            .set("PartyNumber", &self.party_number)
            .set("IsAsyncCustomer", self.is_pending())
            .set("CustomerTypeValue", 1)
            .set("Language", self.language)
            .set("CustomerGroup", self.group)
            .set("CurrencyCode", self.currency)
            .set("RetailCustomerTableRecordId", self.record_id + 3)
            .set("Addresses", Json::from_iter([self.address()]))
            .set("Contacts", Json::from_iter(self.contacts()));
        fields.entity("Customers")
    }

    fn address(&self) -> Fields {
        let mut address = address(&self.name(), self.data_area);
        address
            .set("RecordId", self.record_id + 4)
            .set("PartyNumber", &self.party_number)
            .set("DirectoryPartyTableRecordId", self.record_id + 2)
            .set("IsPrimary", true);
        address
    }

    fn contacts(&self) -> Vec<Fields> {
        static CONTACT: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/contact.json")));
        let values = [(1, &self.phone), (2, &self.email)].into_iter().filter(|(_, value)| !value.is_empty());
        let contact = |(kind, value): (i64, &String)| {
            let mut contact = CONTACT.clone();
            contact
                .set("AddressTypeValue", kind)
                .set("RecordId", self.record_id + 4 + kind)
                .set("PartyRecordId", self.record_id + 2)
                .set("PartyNumber", &self.party_number)
                .set("Value", value)
                .set("IsPrimary", true);
            contact
        };
        values.map(contact).collect()
    }
}

/// A postal address in the country of a company.
pub(super) fn address(name: &str, data_area: &str) -> Fields {
    static ADDRESS: LazyLock<Fields> = LazyLock::new(|| Fields::template(include_str!("bodies/address.json")));
    let (street, city, zip, region, short) = match data_area {
        "demf" => ("Straße des 17. Juni 135", "Berlin", "10623", "DEU", "DE"),
        _ => ("1200 Bagby St", "Houston", "77002", "USA", "US"),
    };
    let mut address = ADDRESS.clone();
    address
        .set("Name", name)
        .set("FullAddress", format!("{street}\n{city} {zip}\n{region}"))
        .set("Street", street)
        .set("City", city)
        .set("ZipCode", zip)
        .set("ThreeLetterISORegionName", region)
        .set("TwoLetterISORegionName", short)
        .set("AddressTypeValue", 6)
        .set("DataAreaId", data_area);
    address
}

/// Realistic difficult names: apostrophes, quotes, accents, other scripts, a single name.
const NAMES: [(&str, &str); 28] = [
    ("Sarah", "Miller"),
    ("Siobhán", "O'Brien"),
    ("Robert \"Bob\"", "Smith"),
    ("José", "García Núñez"),
    ("محمد", "الأحمد"),
    ("小明", "王"),
    ("Ελένη", "Παπαδοπούλου"),
    ("Jürgen", "Groß"),
    ("Анна", "Иванова"),
    ("花子", "佐藤"),
    ("Łukasz", "Żółć"),
    ("D'Angelo", "D'Souza"),
    ("Madonna", ""),
    ("Zoë", "van 't Hoff"),
    ("Ng", "Ồn"),
    ("דוד", "כהן"),
    ("Priya", "Venkataraman-Subramanian"),
    ("James", "Li"),
    ("Mary Ann", "Johnson\\Jones"),
    ("राहुल", "शर्मा"),
    ("Noah", "Null"),
    ("Olga", "Øst"),
    ("Kim", "{{name}}"),
    ("Peter", "<b>Parker</b>"),
    ("민준", "김"),
    ("Ada", "Lovelace"),
    ("Tim & Tom", "Taylor"),
    ("Emoji", "🛒"),
];

/// Names that raise no questions in a demonstration.
const PLAIN_NAMES: [(&str, &str); 20] = [
    ("Sarah", "Miller"),
    ("Alma", "Berg"),
    ("Bruno", "Castell"),
    ("Chidi", "Okafor"),
    ("Dalia", "Haddad"),
    ("Emil", "Novak"),
    ("Farah", "Siddiqui"),
    ("Grace", "Turner"),
    ("Henrik", "Larsen"),
    ("Ines", "Moreno"),
    ("James", "Li"),
    ("Katya", "Orlova"),
    ("Liam", "Walsh"),
    ("Mei", "Tanaka"),
    ("Noor", "Rahman"),
    ("Olga", "Weber"),
    ("Priya", "Nair"),
    ("Ruth", "Cohen"),
    ("Tom", "Taylor"),
    ("Vera", "Rossi"),
];

/// Which names and addresses the customers have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Names {
    /// Common names.
    Plain,
    /// Names, addresses and numbers that often cause errors.
    #[default]
    Hard,
}

/// The number of accounts at the start.
pub(super) const ACCOUNTS: usize = 640;

/// The retailer's customers. The same seed gives the same customers.
pub(super) fn generate(seed: u64, names: Names) -> Vec<Customer> {
    let mut rng = StdRng::seed_from_u64(seed);
    let customers = (0..ACCOUNTS).map(|index| customer(account(index), index, &mut rng));
    customers.enumerate().map(|(index, customer)| named(customer, index, names)).collect()
}

/// The customer with the names that are wanted. All other random data stay the same.
fn named(mut customer: Customer, index: usize, names: Names) -> Customer {
    if names == Names::Hard {
        return customer;
    }
    // Spread, so that customers next to each other have different names.
    let (first, last) = PLAIN_NAMES[index * 7 % PLAIN_NAMES.len()];
    (customer.first_name, customer.last_name) = (first.to_owned(), last.to_owned());
    customer.account = customer.account.replace("O'", "00");
    for email in [&mut customer.email, &mut customer.receipt_email] {
        if !email.is_empty() && !email.starts_with("receipts.") {
            *email = format!("{}.{}.{index}@example.com", first.to_lowercase(), last.to_lowercase());
        }
    }
    customer
}

/// One account number in sixty has an apostrophe, like imported account numbers.
fn account(index: usize) -> String {
    match index % 60 {
        59 => format!("O'{index:04}"),
        _ if is_german(index) => format!("DE-{index:06}"),
        _ => format!("{:06}", 1_000 + index),
    }
}

fn is_german(index: usize) -> bool {
    index % 8 == 7
}

/// A new customer with random data.
pub(super) fn newcomer(rng: &mut StdRng, names: Names) -> Customer {
    let number = rng.random_range(10_000_000..100_000_000_usize);
    let mut customer = customer(format!("{number:09}"), number, rng);
    // A new customer signs up with an e-mail address.
    customer.email = email(&customer, number, rng);
    named(customer, number, names)
}

/// The address of a guest.
pub(super) fn guest_email(number: usize, names: Names) -> String {
    match names {
        Names::Plain => format!("guest.{number}@example.org"),
        Names::Hard => format!("guest.{number}+o'neil@example.org"),
    }
}

fn customer(account: String, index: usize, rng: &mut StdRng) -> Customer {
    let (first_name, last_name) = NAMES.choose(rng).copied().unwrap_or_default();
    let german = is_german(index);
    let mut customer = Customer {
        account,
        data_area: if german { "demf" } else { "usrt" },
        first_name: first_name.to_owned(),
        last_name: last_name.to_owned(),
        email: String::new(),
        receipt_email: String::new(),
        phone: if rng.random_ratio(3, 4) { format!("555 01{:02} {index:04}", index % 100) } else { String::new() },
        group: ["10", "20", "30", "B2C", ""].choose(rng).copied().unwrap_or_default(),
        language: if german { "de" } else { "en-us" },
        currency: if german { "EUR" } else { "USD" },
        party_number: format!("{:09}", 300_000 + index),
        record_id: 68_719_500_000 + 16 * i64::try_from(index).unwrap_or_default(),
        loyalty_card: rng.random_ratio(2, 5).then(|| format!("{}", 550_000 + index)),
    };
    // Twelve per cent have no address at all, and some only have a receipt address.
    match rng.random_range(0..100) {
        0..12 => {}
        12..18 => customer.receipt_email = email(&customer, index, rng),
        18..40 => {
            customer.email = email(&customer, index, rng);
            customer.receipt_email = format!("receipts.{index}@example.net");
        }
        _ => customer.email = email(&customer, index, rng),
    }
    customer
}

/// A unique address with the characters that are allowed before the `@`.
fn email(customer: &Customer, index: usize, rng: &mut StdRng) -> String {
    let ascii: String = customer.last_name.chars().filter(|c| c.is_ascii_alphabetic() || *c == '\'').collect();
    let name = if ascii.is_empty() { "customer".to_owned() } else { ascii.to_lowercase() };
    let domain = ["example.com", "example.org", "shop.example.net"].choose(rng).copied().unwrap_or_default();
    let tag = ["+shop", "", "+o'shop", "", ".x"].choose(rng).copied().unwrap_or_default();
    format!("{name}.{index}{tag}@{domain}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_customers() {
        assert_eq!(generate(7, Names::Hard), generate(7, Names::Hard));
        assert_ne!(generate(7, Names::Hard), generate(8, Names::Hard));
    }

    #[test]
    fn customers_include_the_difficult_cases() {
        let customers = generate(7, Names::Hard);
        let distinct = |of: fn(&Customer) -> &String| {
            let all: Vec<_> = customers.iter().map(of).filter(|text| !text.is_empty()).collect();
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
        };
        distinct(|customer| &customer.account);
        distinct(|customer| &customer.email);
        distinct(|customer| &customer.receipt_email);
        let some = |test: fn(&Customer) -> bool| assert!(customers.iter().any(test));
        some(|customer| customer.last_name.contains('\''));
        some(|customer| customer.first_name.contains('"'));
        some(|customer| !customer.first_name.is_ascii());
        some(|customer| customer.email.contains('+'));
        some(|customer| customer.email.contains('\''));
        some(|customer| customer.account.contains('\''));
        some(|customer| customer.reachable_at().is_none());
        some(|customer| customer.email.is_empty() && !customer.receipt_email.is_empty());
        some(|customer| customer.loyalty_card.is_none());
        some(|customer| customer.data_area == "demf");
    }

    #[test]
    fn plain_names_have_only_letters_and_every_address_is_unique() {
        let (plain, hard) = (generate(7, Names::Plain), generate(7, Names::Hard));
        let is_plain = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || " .@-".contains(c));
        for customer in &plain {
            assert!(
                is_plain(&customer.name())
                    && is_plain(&customer.email)
                    && is_plain(&customer.receipt_email)
                    && is_plain(&customer.account),
                "{customer:?}"
            );
        }
        let emails: HashSet<_> =
            plain.iter().map(|customer| &customer.email).filter(|email| !email.is_empty()).collect();
        let accounts: HashSet<_> = plain.iter().map(|customer| &customer.account).collect();
        let without = plain.iter().filter(|customer| customer.email.is_empty()).count();
        assert_eq!((emails.len() + without, accounts.len()), (plain.len(), plain.len()));
        assert_eq!(without, hard.iter().filter(|customer| customer.email.is_empty()).count(), "the rest is the same");
    }

    #[test]
    fn bodies_have_empty_strings_and_no_nulls() {
        for customer in generate(1, Names::Hard) {
            let body: Value = serde_json::from_str(&customer.body()).unwrap();
            assert_eq!(body["AccountNumber"], customer.account);
            assert_eq!(body["Email"], customer.email);
            assert_eq!(body["Addresses"][0]["DataAreaId"], customer.data_area);
            let fields = body.as_object().unwrap();
            assert!(fields.len() == 69 && fields.values().all(|value| !value.is_null()));
        }
    }
}
