//! The sample's Logic App: one message after the other, with four calls for a known contact.

use reqwest::Method;
use sandbox::audit::Journey;
use sandbox::network::Dependency;
use serde_json::{Value, json};

use super::client::{Reference, sent};
use crate::failure::Failure;

pub(super) async fn run(site: &Reference<'_>, messages: usize) -> Result<(), Failure> {
    for _ in 0..messages {
        one(site).await?;
    }
    Ok(())
}

async fn one(site: &Reference<'_>) -> Result<(), Failure> {
    let message = receive(site).await?;
    let (order, customer, event) = (&message["OrderDetails"], &message["CustomerDetails"], &message["EventDetails"]);
    let company =
        first(site, "cdm_companies", &format!("cdm_companycode eq {}", quoted(&event["EventDataAreaId"]))).await?;
    let company = company["cdm_companyid"].as_str().ok_or("there is no such company")?.to_owned();
    let group = quoted(&customer["CustomerGroup"]);
    first(site, "msdyn_customergroups", &format!("msdyn_groupid eq {group} and _msdyn_company_value eq {company}"))
        .await?;
    // Stands for Dataverse Search, which the sample uses.
    let contact = first(site, "contacts", &format!("emailaddress1 eq {}", quoted(&customer["Email"]))).await?;
    let contact = contact["contactid"].as_str().ok_or("the contact is not known")?;
    trigger(site, order, contact).await
}

async fn receive(site: &Reference<'_>) -> Result<Value, Failure> {
    let path = "order-events/subscriptions/order-subscription/messages/head";
    let request = site.http.delete(site.url(Dependency::ServiceBus, path)).bearer_auth(&site.bus);
    Ok(sent(request).await?.json().await?)
}

fn quoted(value: &Value) -> String {
    format!("'{}'", value.as_str().unwrap_or_default().replace('\'', "''"))
}

async fn first(site: &Reference<'_>, set: &str, filter: &str) -> Result<Value, Failure> {
    let request = site
        .http
        .get(site.url(Dependency::Dataverse, &format!("api/data/v9.2/{set}")))
        .query(&[("$filter", filter), ("$top", "1")])
        .bearer_auth(&site.dataverse);
    let mut found: Value = sent(request).await?.json().await?;
    Ok(found["value"][0].take())
}

async fn trigger(site: &Reference<'_>, order: &Value, contact: &str) -> Result<(), Failure> {
    let now = chrono::Utc::now().to_rfc3339();
    let parameters = json!({
        "msdynmkt_signaltimestamp": now, "msdynmkt_signalingestiontimestamp": now,
        "msdynmkt_signaluserauthid": contact, "msdynmkt_profileid": contact,
        "msdynmkt_bindingid": order["InternalTransactionId"], "msdynmkt_amountpaid": order["AmountPaid"],
        "msdynmkt_channelreferenceid": order["ChannelReferenceId"],
        "msdynmkt_createddatetime": order["CreatedDateTime"], "msdynmkt_currencycode": order["CurrencyCode"],
        "msdynmkt_name": order["Name"], "msdynmkt_receiptemail": order["ReceiptEmail"],
        "msdynmkt_salesid": order["SalesId"]});
    let path = format!("api/data/v9.2/{}", Journey::ALL[0].trigger());
    let request = site.http.request(Method::POST, site.url(Dependency::Dataverse, &path));
    sent(request.bearer_auth(&site.dataverse).json(&parameters)).await.map(drop)
}
