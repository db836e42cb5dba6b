//! The supported tables and columns: only those that the reference solution reads and writes.

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    /// `contacts`.
    Contacts,
    /// `cdm_companies`: legal entities of Dual-write.
    Companies,
    /// `msdyn_customergroups` of Dual-write.
    CustomerGroups,
}

/// A column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// The name of the property in JSON.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether a caller may set it.
    pub(super) writable: bool,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The row's id.
    Key,
    /// Text with a maximum length in UTF-16 code units.
    Text(usize),
    Bool,
    Int,
    Time,
    /// Another row's id, set by binding the navigation property.
    Lookup {
        navigation: &'static str,
        target: Table,
    },
}

impl Kind {
    /// The name of the type in messages.
    pub(super) fn edm(self) -> &'static str {
        match self {
            Self::Key | Self::Lookup { .. } => "Edm.Guid",
            Self::Text(_) => "Edm.String",
            Self::Bool => "Edm.Boolean",
            Self::Int => "Edm.Int32",
            Self::Time => "Edm.DateTimeOffset",
        }
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, writable: true }
}

const fn read_only(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, writable: false }
}

const COMPANY: Kind = Kind::Lookup { navigation: "msdyn_company", target: Table::Companies };

// The lengths of the `msdyn_` columns are not documented. These are the lengths of the fields that they mirror, or
// longer.
const CONTACT: &[Column] = &[
    column("contactid", Kind::Key),
    column("firstname", Kind::Text(50)),
    column("lastname", Kind::Text(50)),
    read_only("fullname", Kind::Text(160)),
    column("emailaddress1", Kind::Text(100)),
    column("mobilephone", Kind::Text(50)),
    column("telephone1", Kind::Text(50)),
    column("msdyn_contactnumber", Kind::Text(100)),
    column("msdyn_partynumber", Kind::Text(100)),
    column("msdyn_sellable", Kind::Bool),
    column("_msdyn_company_value", COMPANY),
    column(
        "_msdyn_customergroupid_value",
        Kind::Lookup { navigation: "msdyn_customergroupid", target: Table::CustomerGroups },
    ),
    column("statecode", Kind::Int),
    column("statuscode", Kind::Int),
    read_only("merged", Kind::Bool),
    read_only("_masterid_value", Kind::Lookup { navigation: "masterid", target: Table::Contacts }),
    read_only("createdon", Kind::Time),
    read_only("modifiedon", Kind::Time),
];

const COMPANY_COLUMNS: &[Column] = &[
    column("cdm_companyid", Kind::Key),
    column("cdm_companycode", Kind::Text(4)),
    column("cdm_name", Kind::Text(100)),
];

const CUSTOMER_GROUP: &[Column] = &[
    column("msdyn_customergroupid", Kind::Key),
    column("msdyn_groupid", Kind::Text(30)),
    column("_msdyn_company_value", COMPANY),
];

impl Table {
    const ALL: [Self; 3] = [Self::Contacts, Self::Companies, Self::CustomerGroups];

    /// The table with exactly this entity set name.
    pub(super) fn named(set: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.set() == set)
    }

    /// The entity set's name.
    pub(super) fn set(self) -> &'static str {
        match self {
            Self::Contacts => "contacts",
            Self::Companies => "cdm_companies",
            Self::CustomerGroups => "msdyn_customergroups",
        }
    }

    /// The entity type's name.
    pub(super) fn logical(self) -> &'static str {
        match self {
            Self::Contacts => "contact",
            Self::Companies => "cdm_company",
            Self::CustomerGroups => "msdyn_customergroup",
        }
    }

    /// The primary key's name.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Contacts => "contactid",
            Self::Companies => "cdm_companyid",
            Self::CustomerGroups => "msdyn_customergroupid",
        }
    }

    /// Whether the table belongs to Dual-write.
    pub(super) fn is_dual_write(self) -> bool {
        self != Self::Contacts
    }

    /// The table's columns, with or without Dual-write. Without it, columns that refer to its tables do not exist.
    pub(super) fn columns(self, dual_write: bool) -> impl Iterator<Item = &'static Column> {
        let all = match self {
            Self::Contacts => CONTACT,
            Self::Companies => COMPANY_COLUMNS,
            Self::CustomerGroups => CUSTOMER_GROUP,
        };
        let is_of_dual_write = |column: &Column| match column.kind {
            Kind::Lookup { target, .. } => target.is_dual_write(),
            _ => false,
        };
        all.iter().filter(move |column| dual_write || !is_of_dual_write(column))
    }

    /// The column with exactly this name.
    pub(super) fn column(self, name: &str, dual_write: bool) -> Option<&'static Column> {
        self.columns(dual_write).find(|column| column.name == name)
    }
}
