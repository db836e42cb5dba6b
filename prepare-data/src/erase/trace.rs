//! Finds what belongs to a customer, from the records that the tables have or had.

use super::files::TableFiles;
use crate::engine::Engine;
use crate::error::Result;
use crate::location::Location;

/// A condition on the rows of a table, and the columns that it needs. A table without them has no such rows.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    columns: Vec<&'static str>,
    sql: String,
}

/// The records of a customer.
#[derive(Debug)]
pub(super) struct Trace {
    customer: Condition,
    number: String,
    parties: Vec<String>,
    locations: Vec<String>,
    contacts: Vec<String>,
}

impl Trace {
    pub(super) async fn find(prepared: &Location, engine: &Engine, company: &str, account: &str) -> Result<Self> {
        let (company, account) = (company.to_lowercase(), account.to_lowercase());
        let customer = Condition::of_account("accountnum", &company, &account);
        let mut trace = Self {
            customer: customer.clone(),
            number: format!("{company}-{account}"),
            parties: Vec::new(),
            locations: Vec::new(),
            contacts: Vec::new(),
        };
        let Some(customers) = TableFiles::open(&prepared.join("silver/custtable")).await? else { return Ok(trace) };
        let parties = customers.values(engine, &customer, &["party"]).await?;
        for party in parties {
            // A person can be a customer of several companies, and is not erased while she is one.
            let others = Condition { columns: vec!["party"], sql: format!("party = {party}") };
            if customers.find(engine, &others).await?.current_rows == 0 {
                trace.parties.push(party);
            }
        }
        let Some(persons) = TableFiles::open(&prepared.join("silver/dirpartytable")).await? else { return Ok(trace) };
        let is_person = Condition::in_list("recid", &trace.parties);
        for (columns, found) in [
            (vec!["primaryaddresslocation"], &mut trace.locations),
            (vec!["primarycontactemail", "primarycontactphone"], &mut trace.contacts),
        ] {
            found.extend(persons.values(engine, &is_person, &columns).await?);
        }
        Ok(trace)
    }

    pub(super) fn is_found(&self) -> bool {
        !self.parties.is_empty()
    }

    /// The tables with the rows of the customer. Those that lead to others come last.
    pub(super) async fn conditions(&self, prepared: &Location) -> Result<Vec<(String, Condition)>> {
        let by_id =
            |column| Condition { columns: vec![column], sql: format!("lower({column}) = '{}'", quoted(&self.number)) };
        let mut all = Vec::new();
        for folder in prepared.list("gold").await?.folders {
            all.push((format!("gold/{folder}"), by_id("customer_id")));
        }
        all.push(("quality/rejected".to_owned(), by_id("key")));
        let (company, account) = self.number.split_once('-').unwrap_or_default();
        for table in ["salestable", "retailtransactiontable"] {
            all.push((format!("silver/{table}"), Condition::of_account("custaccount", company, account)));
        }
        for (table, column, values) in [
            ("logisticselectronicaddress", "recid", &self.contacts),
            ("logisticspostaladdress", "location", &self.locations),
            ("dirpersonname", "person", &self.parties),
            ("dirpartytable", "recid", &self.parties),
        ] {
            all.push((format!("silver/{table}"), Condition::in_list(column, values)));
        }
        for table in ["retailcusttable", "custtable"] {
            all.push((format!("silver/{table}"), self.customer.clone()));
        }
        Ok(all)
    }
}

impl Condition {
    fn of_account(column: &'static str, company: &str, account: &str) -> Self {
        let (company, account) = (quoted(company), quoted(account));
        let sql = format!("dataareaid = '{company}' and lower({column}) = '{account}'");
        Self { columns: vec!["dataareaid", column], sql }
    }

    /// `values` are numbers.
    fn in_list(column: &'static str, values: &[String]) -> Self {
        let sql = if values.is_empty() { "false".to_owned() } else { format!("{column} in ({})", values.join(", ")) };
        Self { columns: vec![column], sql }
    }

    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }
}

fn quoted(text: &str) -> String {
    text.replace('\'', "''")
}
