//! Seed data: the rows in Dataverse at the start.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::dataverse::{Contact, Dataverse};
use crate::shop::{CHANNELS, Customer, Shop};

/// Adds the retailer's companies, customer groups and some of its customers to Dataverse.
///
/// Of ten customers, three are contacts with their customer number, one is a contact with an e-mail address only, and
/// one shares the e-mail address of a contact with the next customer's number. The others, and most guests, have no
/// contact.
pub(super) fn load(dataverse: &Dataverse, shop: &Shop) {
    let customers = shop.customers();
    let companies = companies(dataverse);
    groups(dataverse, &companies, customers.iter().map(|customer| customer.group));
    for (index, customer) in customers.iter().enumerate() {
        let owner = match index % 10 {
            0..=2 => Some(customer),
            3 => None,
            4 => customers.get(index + 1),
            _ => continue,
        };
        // A customer number belongs to a company, so a contact with a number also has the company.
        let company = companies.get(owner.unwrap_or(customer).data_area).copied();
        let contact = contact(customer, owner.map(|owner| owner.account.clone()), company);
        if contact.contact_number.is_some() || contact.email.is_some() {
            dataverse.add_contact(&contact);
        }
    }
    for guest in [1, 4] {
        // Other letter case than in the order.
        let email = Some(shop.guest_email(guest).replace("guest", "Guest").replace("o'neil@e", "O'Neil@E"));
        dataverse.add_contact(&Contact { email, last_name: Some("Guest".to_owned()), ..Contact::default() });
    }
}

/// Adds contacts of customers that [`load`] leaves without one: merged once, merged twice into the contact of another number,
/// deactivated, and deactivated without a number.
pub(super) fn load_odd_contacts(dataverse: &Dataverse, shop: &Shop) {
    for (index, customer) in shop.customers().iter().enumerate() {
        let account = Some(customer.account.clone());
        let add = |number: Option<String>, inactive| {
            dataverse.add_contact(&Contact { inactive, ..contact(customer, number, None) })
        };
        match index % 10 {
            5 => drop(dataverse.merge_contact(add(account, false), add(None, false))),
            6 => {
                let (first, second) = (add(account, false), add(None, false));
                let last = add(Some(format!("MAIN-{}", customer.account)), false);
                dataverse.merge_contact(second, last);
                dataverse.merge_contact(first, second);
            }
            7 => drop(add(account, true)),
            8 => drop(add(None, true)),
            _ => {}
        }
    }
}

fn companies(dataverse: &Dataverse) -> BTreeMap<&'static str, Uuid> {
    let areas: BTreeSet<_> = CHANNELS.iter().map(|channel| channel.data_area).collect();
    // Headquarters uses company codes in upper case, the Scale Unit in lower case.
    let add = |area: &'static str| (area, dataverse.add_company(&area.to_uppercase(), &format!("Adventure {area}")));
    areas.into_iter().map(add).collect()
}

fn groups(dataverse: &Dataverse, companies: &BTreeMap<&str, Uuid>, groups: impl Iterator<Item = &'static str>) {
    let groups: BTreeSet<_> = groups.filter(|group| !group.is_empty()).collect();
    for company in companies.values() {
        for group in &groups {
            dataverse.add_customer_group(group, Some(*company));
        }
    }
}

fn contact(customer: &Customer, contact_number: Option<String>, company: Option<Uuid>) -> Contact {
    Contact {
        first_name: Some(customer.first_name.clone()),
        last_name: Some(customer.last_name.clone()),
        email: customer.reachable_at().map(str::to_owned),
        contact_number,
        company,
        ..Contact::default()
    }
}
