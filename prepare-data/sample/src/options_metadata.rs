//! The names of enumeration values, as the export lists them beside the tables.

/// Columns of the list.
pub(crate) const COLUMNS: [&str; 8] = [
    "OptionSetName",
    "Option",
    "IsUserLocalizedLabel",
    "LocalizedLabelLanguageCode",
    "LocalizedLabel",
    "GlobalOptionSetName",
    "EntityName",
    "ExternalValue",
];

/// English, as Windows numbers languages.
const LANGUAGE: i64 = 1033;

/// A value of an enumeration in one column of one table.
pub(crate) struct OptionRow {
    pub(crate) column: &'static str,
    pub(crate) value: i64,
    pub(crate) label: &'static str,
    pub(crate) enumeration: &'static str,
    pub(crate) table: &'static str,
}

const SALES_STATUS: &[(i64, &str)] =
    &[(0, "None"), (1, "Open order"), (2, "Delivered"), (3, "Invoiced"), (4, "Canceled")];
const SALES_TYPE: &[(i64, &str)] = &[
    (0, "Journal"),
    (2, "Subscription"),
    (3, "Sales order"),
    (4, "Returned order"),
    (6, "Item requirements"),
    (7, "Prepayment"),
];
const TRANSACTION_TYPE: &[(i64, &str)] = &[
    (1, "Log on"),
    (2, "Sales"),
    (5, "Float entry"),
    (9, "Open drawer"),
    (13, "End of shift"),
    (19, "Customer order"),
    (20, "Starting amount"),
    (27, "Asynchronous customer order"),
];
const ENTRY_STATUS: &[(i64, &str)] = &[(0, "None"), (1, "Voided"), (2, "Posted"), (5, "On hold"), (6, "Training")];
const ADDRESS_TYPE: &[(i64, &str)] = &[(1, "Phone"), (2, "Email address")];

type Enumeration = (&'static str, &'static str, &'static str, &'static [(i64, &'static str)]);

const ENUMERATIONS: &[Enumeration] = &[
    ("salestable", "salesstatus", "SalesStatus", SALES_STATUS),
    ("salesline", "salesstatus", "SalesStatus", SALES_STATUS),
    ("salestable", "salestype", "SalesType", SALES_TYPE),
    ("retailtransactiontable", "type", "RetailTransactionType", TRANSACTION_TYPE),
    ("retailtransactiontable", "entrystatus", "RetailEntryStatus", ENTRY_STATUS),
    ("logisticselectronicaddress", "type", "LogisticsElectronicAddressMethodType", ADDRESS_TYPE),
];

/// All values.
pub(crate) fn rows() -> Vec<OptionRow> {
    let of = |(table, column, enumeration, values): &Enumeration| {
        let (table, column, enumeration) = (*table, *column, *enumeration);
        values.iter().map(move |(value, label)| OptionRow { column, value: *value, label, enumeration, table })
    };
    ENUMERATIONS.iter().flat_map(of).collect()
}

impl OptionRow {
    /// The values of [`COLUMNS`], in their order.
    pub(crate) fn cells(&self) -> [String; 8] {
        [
            self.column.to_owned(),
            self.value.to_string(),
            "False".to_owned(),
            LANGUAGE.to_string(),
            self.label.to_owned(),
            self.enumeration.to_owned(),
            self.table.to_owned(),
            self.label.replace(' ', ""),
        ]
    }
}
