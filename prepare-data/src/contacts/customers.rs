//! The customers of gold, and which of them are processed.

use std::collections::HashMap;

use commerce_journeys::contacts::{
    Person, identifies_person, usable_email, usable_identifier, usable_name, usable_party_number,
};
use deltalake::arrow::array::{Array as _, BooleanArray, Int64Array, RecordBatch, StringArray};
use deltalake::arrow::compute::cast;
use deltalake::arrow::datatypes::DataType;
use deltalake::datafusion::execution::SendableRecordBatchStream;
use deltalake::datafusion::prelude::{DataFrame, SessionContext};

use super::decide::Customer;
use super::error::SyncError;
use super::state::{STATE, VANISHED, Vanished, register_rows};
use crate::engine::sql;
use crate::error::Context as _;
use crate::location::Location;

/// The name of the gold table in queries.
const GOLD: &str = "gold_customers";

/// What is read of gold, under the names of gold. The key and what a contact cannot do without come first.
const COLUMNS: [&str; 9] = [
    "customer_id",
    "company",
    "customer_number",
    "first_name",
    "last_name",
    "full_name",
    "email",
    "party_number",
    "customer_group",
];

/// Part of every hash: with another number, all customers are processed again.
const RULES: &str = "2";

/// The gold table of customers, opened together with the state table.
pub(super) struct Gold<'a> {
    session: &'a SessionContext,
    /// The Dataverse environment, which is part of the hash.
    environment: String,
    /// Account numbers of stores' default customers.
    default_customers: Vec<String>,
}

impl<'a> Gold<'a> {
    /// Opens the table. `environment` is that of Dataverse: a contact that is right in one may be wrong in another.
    pub(super) async fn open(
        location: &Location,
        session: &'a SessionContext,
        environment: &str,
        default_customers: &[String],
    ) -> Result<Self, SyncError> {
        let table = location.open().await?.ok_or_else(|| SyncError::NoCustomers(location.to_string()))?;
        register_rows(session, GOLD, &table).await?;
        let known = session.table(GOLD).await.context("read customers")?;
        let missing: Vec<&str> =
            COLUMNS.into_iter().filter(|name| known.schema().field_with_unqualified_name(name).is_err()).collect();
        if !missing.is_empty() {
            return Err(SyncError::MissingColumns(missing.join(", ")));
        }
        let environment = environment.replace('\'', "''");
        Ok(Self { session, environment, default_customers: default_customers.to_vec() })
    }

    /// How many customers there are.
    pub(super) async fn count(&self) -> Result<u64, SyncError> {
        let count = self.query(&format!("select count(*) as customers from {GOLD}")).await?;
        let batches = count.collect().await.context("count customers")?;
        let count = batches.first().and_then(|it| it.column(0).as_any().downcast_ref::<Int64Array>()?.iter().next()?);
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default())
    }

    /// The customers to process: those whose hash is not the settled one, or `all`. Those with the oldest result come first,
    /// so that limited runs process all of them in turn.
    pub(super) async fn to_do(&self, all: bool, limit: Option<usize>) -> Result<SendableRecordBatchStream, SyncError> {
        let columns = COLUMNS.join(", ");
        let parts: Vec<String> = COLUMNS.iter().map(|name| format!("coalesce({name}, chr(30))")).collect();
        let hash = format!("md5(concat_ws(chr(31), '{RULES}', '{}', {}))", self.environment, parts.join(", "));
        let changed =
            format!("where {STATE}.customer_id is null or not {STATE}.settled or {STATE}.content <> customers.content");
        let filter = if all { String::new() } else { changed };
        let limit = limit.map(|limit| format!("limit {limit}")).unwrap_or_default();
        let query = format!(
            "with customers as (select {columns}, {hash} as content from {GOLD}),
            emails as (select lower(trim(email)) as email from {GOLD} group by lower(trim(email)) having count(*) > 1),
            numbers as (
                select lower(customer_number) as number from {GOLD}
                group by lower(customer_number) having count(distinct company) > 1
            )
            select customers.*, emails.email is not null as shares_email, numbers.number is not null as shares_number
            from customers
            left join {STATE} on {STATE}.customer_id = customers.customer_id
            left join emails on emails.email = lower(trim(customers.email))
            left join numbers on numbers.number = lower(customers.customer_number)
            {filter} order by coalesce({STATE}.run, 0), customers.customer_id {limit}"
        );
        Ok(self.query(&query).await?.execute_stream().await.context("read customers")?)
    }

    /// The customers in rows of [`Gold::to_do`].
    pub(super) fn customers(&self, batch: &RecordBatch) -> Result<Vec<Customer>, SyncError> {
        read_customers(batch, &self.default_customers)
    }

    /// Customers who were in gold and are no longer.
    pub(super) async fn vanished(&self) -> Result<Vec<Vanished>, SyncError> {
        let query = format!(
            "select {STATE}.customer_id, {STATE}.contact_id from {STATE}
            left anti join {GOLD} on {GOLD}.customer_id = {STATE}.customer_id
            where {STATE}.outcome <> '{VANISHED}' order by {STATE}.customer_id"
        );
        let mut vanished = Vec::new();
        for batch in self.query(&query).await?.collect().await.context("read the state table")? {
            let (customers, contacts) = (text(&batch, "customer_id")?, text(&batch, "contact_id")?);
            vanished.extend((0..batch.num_rows()).map(|at| Vanished {
                customer: value(&customers, at).unwrap_or_default(),
                contact: value(&contacts, at),
            }));
        }
        Ok(vanished)
    }

    async fn query(&self, statement: &str) -> Result<DataFrame, SyncError> {
        Ok(sql(self.session, GOLD, statement).await?)
    }
}

/// The customers in rows of [`Gold::to_do`].
fn read_customers(batch: &RecordBatch, default_customers: &[String]) -> Result<Vec<Customer>, SyncError> {
    let columns: HashMap<&str, StringArray> = COLUMNS
        .into_iter()
        .chain(["content"])
        .map(|name| Ok((name, text(batch, name)?)))
        .collect::<Result<_, SyncError>>()?;
    let (shares_email, shares_number) = (flag(batch, "shares_email")?, flag(batch, "shares_number")?);
    let customer = |at: usize| {
        let get = |name: &str| columns.get(name).and_then(|column| value(column, at));
        let email = get("email").and_then(|email| usable_email(&email));
        let number = get("customer_number").and_then(|number| usable_identifier(&number));
        Customer {
            is_person: number.as_deref().is_none_or(|number| identifies_person(number, default_customers)),
            id: get("customer_id").unwrap_or_default(),
            content: get("content").unwrap_or_default(),
            person: Person {
                number,
                emails: email.iter().cloned().collect(),
                email,
                first_name: get("first_name").and_then(|name| usable_name(&name)),
                // As in the function app: without a last name, the full name is used.
                last_name: get("last_name").or_else(|| get("full_name")).and_then(|name| usable_name(&name)),
                party_number: get("party_number").and_then(|number| usable_party_number(&number)),
                customer_group: get("customer_group"),
                company: get("company").unwrap_or_default(),
            },
            shares_email: shares_email.value(at),
            shares_number: shares_number.value(at),
        }
    };
    Ok((0..batch.num_rows()).map(customer).collect())
}

fn value(column: &StringArray, at: usize) -> Option<String> {
    (!column.is_null(at)).then(|| column.value(at).to_owned()).filter(|value| !value.is_empty())
}

/// A column as text.
fn text(batch: &RecordBatch, name: &'static str) -> Result<StringArray, SyncError> {
    let column = batch.column_by_name(name).and_then(|column| cast(column, &DataType::Utf8).ok());
    let column = column.and_then(|column| column.as_any().downcast_ref::<StringArray>().cloned());
    column.ok_or_else(|| SyncError::MissingColumns(name.to_owned()))
}

fn flag(batch: &RecordBatch, name: &'static str) -> Result<BooleanArray, SyncError> {
    let column = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref::<BooleanArray>().cloned());
    column.ok_or_else(|| SyncError::MissingColumns(name.to_owned()))
}
