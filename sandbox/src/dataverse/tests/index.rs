//! Rows found by index are those that a scan of the table finds.

use proptest::prelude::*;

use super::super::filter::Filter;
use super::super::rows::Value as Cell;
use super::*;

const ROWS: u128 = 12;

fn texts() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        prop_oneof!["[abA]{1,2}@x", "[ÄäŁ]{1,2}@x", "00[12]"].prop_map(|text| Some(text.to_owned())),
    ]
}

/// A write: the row, its e-mail address and its number. A row is deleted if there is no change.
type Change = (u128, Option<(Option<String>, Option<String>)>);

fn writes() -> impl Strategy<Value = Change> {
    (1..=ROWS, proptest::option::weighted(0.8, (texts(), texts())))
}

fn conditions() -> impl Strategy<Value = String> {
    let text = prop_oneof!["[abA]{1,2}@x", "[ÄäŁ]{1,2}@x", "00[12]"];
    let column = prop_oneof![Just("emailaddress1"), Just("msdyn_contactnumber"), Just("lastname")];
    let comparison = (column, prop_oneof![4 => Just("eq"), 1 => Just("ne"), 1 => Just("gt")], text)
        .prop_map(|(column, operator, text)| format!("{column} {operator} '{text}'"));
    let id = (1..=ROWS).prop_map(|n| format!("contactid eq {}", id_of(n)));
    let leaf = prop_oneof![4 => comparison, 1 => id, 1 => Just("statecode eq 0".to_owned()), 1 => Just("emailaddress1 eq null".to_owned())];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} and {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn write(rows: &mut Rows, (n, change): Change) {
    let Some((email, number)) = change else {
        // The row may not exist.
        drop(rows.delete(Table::Contacts, id_of(n), Condition::Update));
        return;
    };
    let changes = Changes::from([
        ("emailaddress1", email.map(Cell::Text)),
        ("msdyn_contactnumber", number.map(Cell::Text)),
        ("lastname", Some(Cell::Text("ab@x".to_owned()))),
    ]);
    rows.save(Table::Contacts, id_of(n), changes, Condition::Upsert, noon()).unwrap();
}

proptest! {
    #[test]
    fn an_indexed_search_finds_what_a_scan_finds(
        writes in proptest::collection::vec(writes(), 1..40),
        filter in conditions(),
    ) {
        let mut rows = Rows::default();
        writes.into_iter().for_each(|change| write(&mut rows, change));
        let filter = Filter::parse(Table::Contacts, true, &filter).unwrap();
        let scanned: Vec<_> = rows.all(Table::Contacts).filter(|row| filter.matches(row)).map(|row| row.id).collect();
        let found: Vec<_> = rows.matching(Table::Contacts, &filter).into_iter().map(|row| row.id).collect();
        prop_assert_eq!(found, scanned);
    }
}

#[test]
fn a_search_by_number_and_address_reads_only_the_rows_that_have_one() {
    let mut rows = Rows::default();
    for n in 1..=1000 {
        let (email, number) = (Some(format!("{n}@b.example")), Some(format!("{n:06}")));
        write(&mut rows, (n, Some((email, number))));
    }
    let filter = "statecode eq 0 and (msdyn_contactnumber eq '000007' or emailaddress1 eq '9@B.example')";
    let filter = Filter::parse(Table::Contacts, true, filter).unwrap();
    assert_eq!(rows.candidates(Table::Contacts, &filter).map(|ids| ids.len()), Some(2));
    assert_eq!(rows.matching(Table::Contacts, &filter).len(), 2);
}
