//! What names, streets and products are made of. All people are made up; e-mail addresses and phone numbers are of the
//! ranges that are reserved for examples.

pub(crate) const FIRST_NAMES: &[&str] = &[
    "Ada", "Aiko", "Amara", "Anton", "Beatriz", "Björn", "Camille", "Chidi", "Dana", "Elif", "Emil", "Farah", "Grace",
    "Hana", "Igor", "Inès", "Jamal", "Jón", "Kim", "Lena", "Łukasz", "Mara", "Mei", "Nadia", "Noah", "Olga", "Pavel",
    "Quinn", "Rosa", "Sami", "Søren", "Tomás", "Uma", "Victor", "Wanda", "Ximena", "Yusuf", "Zoë",
];

pub(crate) const MIDDLE_NAMES: &[&str] = &["A.", "Jean", "Lee", "Marie", "Noor", "R."];

pub(crate) const NAME_PREFIXES: &[&str] = &["de", "van", "von"];

pub(crate) const LAST_NAMES: &[&str] = &[
    "Abe",
    "Adeyemi",
    "Almeida",
    "Berg",
    "Cohen",
    "D'Angelo",
    "Díaz",
    "Eriksen",
    "Fischer",
    "García",
    "Haddad",
    "Ito",
    "Jansen",
    "Kaya",
    "Kowalski",
    "Lefèvre",
    "Li",
    "Müller",
    "Nguyen",
    "O'Brien",
    "Okafor",
    "Petrov",
    "Quist",
    "Rossi",
    "Sørensen",
    "Smith",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weiß",
    "Xu",
    "Yılmaz",
    "Zhang",
];

/// Names of organisations, with what a delimited file stumbles over.
pub(crate) const FIRMS: &[&str] = &[
    "Baker, Bell & Co.",
    "Café \"Zum Löwen\"",
    "Fourth Coffee",
    "Hotel Astoria, Ltd.",
    "Litware\nEvents",
    "Proseware",
];

pub(crate) const STREETS: &[&str] = &[
    "Acacia Avenue",
    "Bahnhofstraße",
    "Elm Street",
    "Hauptstraße",
    "High Street",
    "Main Street",
    "Rue de la Paix",
    "Station Road",
];

/// City, county, state, postal code.
pub(crate) const CITIES: &[(&str, &str, &str, &str)] = &[
    ("Seattle", "King", "WA", "98101"),
    ("Houston", "Harris", "TX", "77002"),
    ("Köln", "", "NW", "50667"),
    ("München", "", "BY", "80331"),
    ("Lyon", "Rhône", "ARA", "69001"),
    ("London", "Greater London", "", "EC1A 1BB"),
    ("Chicago", "Cook", "IL", "60601"),
];

pub(crate) const MATERIALS: &[&str] = &["Canvas", "Cotton", "Denim", "Leather", "Linen", "Silk", "Wool"];

pub(crate) const GOODS: &[&str] =
    &["Backpack", "Belt", "Cap", "Coat", "Gloves", "Jacket", "Scarf", "Shirt", "Shoes", "Skirt", "Trousers", "Wallet"];

/// Brands. One has what a delimited file stumbles over.
pub(crate) const BRANDS: &[&str] = &["Contoso", "Fabrikam", "Northwind", "\"Proseware\", Ltd.", "Tailspin"];

pub(crate) const COLORS: &[&str] = &["Black", "Blue", "Green", "Red", "White"];

pub(crate) const SIZES: &[&str] = &["S", "M", "L", "XL"];

/// Names of categories, in the order of their numbers within a hierarchy.
pub(crate) const CATEGORIES: &[&str] =
    &["Accessories", "Bags", "Footwear", "Knitwear", "Outdoor", "Seasonal", "Sports, Leisure", "Tailoring"];

/// Places that stores are named after.
pub(crate) const STORES: &[&str] = &["Airport", "City", "Harbour", "Mall", "Old Market", "Station"];
