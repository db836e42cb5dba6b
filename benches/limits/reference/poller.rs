//! The sample's poller: seven calls in sequence for each event.

use azure_core::credentials::Secret;
use azure_data_cosmos::options::Region;
use azure_data_cosmos::{
    AccountEndpoint, AccountReference, ContainerClient, CosmosClient, CosmosRuntime, RoutingStrategy,
};
use reqwest::Url;
use sandbox::network::Dependency;
use sandbox::shop::{CHANNELS, LedgerEntry};
use serde_json::{Value, json};

use super::client::{Reference, sent};
use crate::failure::Failure;

pub(super) async fn run(site: &Reference<'_>) -> Result<(), Failure> {
    let container = container(site).await?;
    let token = site.commerce_token().await?;
    search(site, &token).await?;
    for entry in site.environment.ledger().iter().filter(|entry| entry.event.event_type == "Checkout") {
        one(site, &container, &token, entry).await?;
    }
    Ok(())
}

async fn container(site: &Reference<'_>) -> Result<ContainerClient, Failure> {
    let settings = site.environment.settings();
    let endpoint: AccountEndpoint = settings["CosmosDbEndpoint"].parse::<Url>()?.into();
    let account = AccountReference::with_authentication_key(endpoint, Secret::from(settings["CosmosDbKey"].clone()));
    let near = RoutingStrategy::ProximityTo(Region::from(settings["CosmosDbRegion"].clone()));
    let runtime = CosmosRuntime::builder().build().await?;
    let client = CosmosClient::builder().with_runtime(runtime).build(account, near).await?;
    Ok(client.database_client("EventTrackingDB").container_client("ProcessedEvents", None).await?)
}

/// The sample reads one page only. The replay takes the other events from the ledger.
async fn search(site: &Reference<'_>, token: &str) -> Result<(), Failure> {
    let address = site.url(Dependency::Commerce, "Commerce/CommerceEventsController/Search");
    let query = [("$top", "250"), ("$count", "true"), ("api-version", "7.3")];
    let window = json!({"commerceEventSearchCriteria": {"EventType": "Checkout",
        "EventDateTimeFrom": "2020-01-01T00:00:00Z", "EventDateTimeTo": "2100-01-01T00:00:00Z"}});
    let request = site.http.post(address).query(&query).bearer_auth(token).header("OUN", CHANNELS[0].oun).json(&window);
    sent(request).await?.bytes().await?;
    Ok(())
}

async fn one(
    site: &Reference<'_>,
    container: &ContainerClient,
    token: &str,
    entry: &LedgerEntry,
) -> Result<(), Failure> {
    let event = &entry.event;
    let (id, channel) = (event.transaction_id.clone(), event.channel_id.to_string());
    let record = |status: &str| {
        json!({"id": id, "EventTransactionId": id, "EventChannelId": channel, "EventType": event.event_type,
            "EventCustomerId": event.customer_id, "EventDataAreaId": event.data_area_id, "status": status})
    };
    if container.read_item(channel.clone(), &id, None).await.is_ok() {
        return Err("the event was there before".into());
    }
    container.create_item(channel.clone(), &id, &record("new"), None).await?;
    container.upsert_item(channel.clone(), &id, &record("processing"), None).await?;
    let order = get_order(site, token, event.channel_id, &id).await?;
    let customer = get(site, token, event.channel_id, &format!("Customers('{}')", event.customer_id)).await?;
    publish(
        site,
        &id,
        &json!({"OrderDetails": order, "CustomerDetails": customer, "EventDetails": record("processing")}),
    )
    .await?;
    container.upsert_item(channel.clone(), &id, &record("processed"), None).await?;
    Ok(())
}

async fn get_order(site: &Reference<'_>, token: &str, channel: i64, id: &str) -> Result<Value, Failure> {
    let path = "SalesOrders/GetSalesOrderDetailsByTransactionId(transactionId=@p1,searchLocationValue=1)";
    get(site, token, channel, &format!("{path}?@p1='{id}'")).await
}

async fn get(site: &Reference<'_>, token: &str, channel: i64, path: &str) -> Result<Value, Failure> {
    let oun = sandbox::shop::channel(channel).map_or(CHANNELS[0].oun, |channel| channel.oun);
    let mut address: Url = site.url(Dependency::Commerce, &format!("Commerce/{path}")).parse()?;
    address.query_pairs_mut().append_pair("api-version", "7.3");
    Ok(sent(site.http.get(address).bearer_auth(token).header("OUN", oun)).await?.json().await?)
}

async fn publish(site: &Reference<'_>, id: &str, message: &Value) -> Result<(), Failure> {
    let broker = json!({"MessageId": id}).to_string();
    let request = site
        .http
        .post(site.url(Dependency::ServiceBus, "order-events/messages"))
        .bearer_auth(&site.bus)
        .header("BrokerProperties", broker)
        .json(message);
    sent(request).await.map(drop)
}
