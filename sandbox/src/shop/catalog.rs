//! The demo retailer's channels and products.

use super::money::{Decimals, Money};

/// A sales channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Record id: `EventChannelId`, `ChannelId`.
    pub id: i64,
    /// Operating unit number, the `OUN` header that selects this channel.
    pub oun: &'static str,
    /// The store number (in store) or the name of the web shop.
    pub name: &'static str,
    /// The company, four characters.
    pub data_area: &'static str,
    /// A store or a web shop.
    pub kind: ChannelKind,
    /// Terminals; none for a web shop.
    pub terminals: &'static [&'static str],
    /// Staff numbers; none for a web shop.
    pub staff: &'static [&'static str],
    /// ISO 4217 code.
    pub currency: &'static str,
    /// BCP 47 tag in the form that Commerce uses.
    pub language: &'static str,
    /// The UTC offset in minutes.
    pub utc_offset: i32,
    /// Sales tax in hundredths of a per cent.
    pub tax: i64,
    /// The format of amounts in its orders and carts.
    pub decimals: Decimals,
}

/// The kind of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// A store with terminals.
    InStore,
    /// A web shop.
    Online,
}

/// A product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Product {
    /// Item number.
    pub item_id: &'static str,
    /// Product record id.
    pub id: i64,
    /// Record id of the master product; 0 for a product without variants.
    pub master_id: i64,
    /// The name. Orders do not contain it.
    pub name: &'static str,
    /// The price of one piece, in the currency of the channel.
    pub price: Money,
}

/// All channels, of two companies.
pub static CHANNELS: [Channel; 5] = [
    Channel {
        id: 5_637_144_592,
        oun: "052",
        name: "HOUSTON",
        data_area: "usrt",
        kind: ChannelKind::InStore,
        terminals: &["HOUSTON-2", "HOUSTON-17"],
        staff: &["000160", "000168"],
        currency: "USD",
        language: "en-us",
        utc_offset: -300,
        tax: 625,
        decimals: Decimals::Few,
    },
    Channel {
        id: 5_637_145_341,
        oun: "053",
        name: "SEATTLE",
        data_area: "usrt",
        kind: ChannelKind::InStore,
        terminals: &["SEATTLE-1"],
        staff: &["000171"],
        currency: "USD",
        language: "en-us",
        utc_offset: -420,
        tax: 1_010,
        decimals: Decimals::Few,
    },
    Channel {
        id: 5_637_146_827,
        oun: "068",
        name: "Adventure online",
        data_area: "usrt",
        kind: ChannelKind::Online,
        terminals: &[],
        staff: &[],
        currency: "USD",
        language: "en-us",
        utc_offset: 120,
        tax: 625,
        decimals: Decimals::Few,
    },
    Channel {
        id: 5_637_149_078,
        oun: "128",
        name: "Adventure online UK",
        data_area: "usrt",
        kind: ChannelKind::Online,
        terminals: &[],
        staff: &[],
        currency: "GBP",
        language: "en-gb",
        utc_offset: 0,
        tax: 2_000,
        decimals: Decimals::Few,
    },
    Channel {
        id: 5_637_212_326,
        oun: "D-201",
        name: "Abenteuer online",
        data_area: "demf",
        kind: ChannelKind::Online,
        terminals: &[],
        staff: &[],
        currency: "EUR",
        language: "de",
        utc_offset: 120,
        tax: 1_900,
        decimals: Decimals::Sixteen,
    },
];

const fn product(item_id: &'static str, id: i64, master_id: i64, name: &'static str, cents: i64) -> Product {
    Product { item_id, id, master_id, name, price: Money(cents) }
}

/// All products.
pub static PRODUCTS: [Product; 16] = [
    product("81143", 22_565_430_173, 22_565_430_170, "Trail running shoe", 12_999),
    product("0002", 22_565_421_964, 0, "Football", 3_999),
    product("0010", 22_565_421_972, 0, "Whistle", 10),
    product("0021", 22_565_421_983, 0, "Water bottle 1/2 l", 850),
    product("0035", 22_565_421_997, 0, "Head lamp \"Polar\"", 4_500),
    product("81101", 22_565_430_131, 22_565_430_130, "Rain jacket", 18_900),
    product("81102", 22_565_430_132, 22_565_430_130, "Rain jacket, long", 19_995),
    product("81120", 22_565_430_150, 22_565_430_149, "Wool socks", 1_475),
    product("82001", 22_565_431_031, 0, "Tent for two", 34_900),
    product("82002", 22_565_431_032, 0, "Tent for four", 54_900),
    product("82010", 22_565_431_040, 0, "Sleeping bag", 21_450),
    product("82025", 22_565_431_055, 0, "Climbing rope 60 m", 16_930),
    product("83001", 22_565_432_031, 0, "Touring bicycle", 189_900),
    product("83002", 22_565_432_032, 0, "Cargo bicycle", 420_000),
    product("83040", 22_565_432_070, 0, "Inner tube", 599),
    product("83041", 22_565_432_071, 0, "Repair kit", 725),
];

/// The channel with this record id.
pub fn channel(id: i64) -> Option<&'static Channel> {
    CHANNELS.iter().find(|channel| channel.id == id)
}

/// The channel with this operating unit number.
pub fn channel_of_oun(oun: &str) -> Option<&'static Channel> {
    CHANNELS.iter().find(|channel| channel.oun == oun)
}

/// The product with this record id.
pub fn product_by_id(id: i64) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}
