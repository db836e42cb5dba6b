//! What the user can try while everything is running.

use std::fs;
use std::path::Path;

use sandbox::environment::{Environment, FUNCTION_KEY, FunctionApp};
use sandbox::network::Dependency;
use sandbox::page::Page;
use sandbox::shop::PRODUCTS;
use serde_json::Value;

use super::Failure;
use super::files::shown;

/// All addresses and two examples. Writes the `script` that the first one runs.
pub(crate) async fn text(
    environment: &Environment,
    app: &FunctionApp,
    page: Option<&Page>,
    script: &Path,
) -> Result<String, Failure> {
    fs::write(script, buy(environment)).map_err(|error| format!("{}: {error}", shown(script)))?;
    let mut lines = vec!["Everything keeps running until Ctrl-C:".to_owned()];
    lines.extend(page.map(|page| format!("  {:12} {}", "Page", page.url())));
    lines.push(format!("  {:12} {}", "Functions", app.url()));
    lines.extend(Dependency::ALL.map(|it| format!("  {:12} {}", it.to_string(), environment.url(it))));
    lines.push("Buy something through the Retail Server (a script with four curl calls):".to_owned());
    lines.push(format!("  sh {}", shown(script)));
    if let Some((id, channel)) = some_event(environment).await {
        lines.push("Dry run: show an event's contact and journey parameters without starting a journey:".to_owned());
        lines.push(format!("  curl -s {}api/trigger-journey -H 'x-functions-key: {FUNCTION_KEY}' \\", app.url()));
        lines.push("    -H 'Content-Type: application/json' \\".to_owned());
        lines.push(format!("    -d '{{\"eventId\":\"{id}\",\"eventChannelId\":\"{channel}\",\"dryRun\":true}}'"));
    }
    Ok(lines.join("\n"))
}

/// The id and channel of a checkout's record.
async fn some_event(environment: &Environment) -> Option<(String, String)> {
    let documents = environment.cosmos().documents().await.ok()?;
    let record = documents.iter().find(|document| document["EventType"] == "Checkout")?;
    let text = |field: &str| record.get(field).and_then(Value::as_str).map(str::to_owned);
    Some((text("id")?, text("EventChannelId")?))
}

/// A script that buys something in the Houston store, with the calls of a cash register.
fn buy(environment: &Environment) -> String {
    let settings = environment.settings();
    let setting = |name: &str| settings.get(name).cloned().unwrap_or_default();
    let (commerce, oun) = (setting("CSUEndpoint"), setting("OperatingUnitNumber"));
    let token_url =
        format!("{}{}/oauth2/v2.0/token", setting("AuthorityD365Commerce"), setting("TenantIdD365Commerce"));
    let customers = environment.shop().customers();
    let customer = customers.iter().find(|customer| customer.data_area == "usrt" && customer.reachable_at().is_some());
    let account = customer.map_or("", |customer| &customer.account);
    let product = PRODUCTS[1].id;
    format!(
        r#"#!/bin/sh
# Buys one product in the demo shop: opens a cart, adds a line and checks out. A journey starts within seconds.
set -eu
TOKEN=$(curl -sf '{token_url}' \
  -d grant_type=client_credentials -d 'client_id={client}' -d 'client_secret={secret}' \
  --data-urlencode 'scope={audience}/.default' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
CART="curl-$(date +%s)"
call() {{
  curl -sf "{commerce}Commerce/$1?api-version=7.3" -H "Authorization: Bearer $TOKEN" \
    -H 'OUN: {oun}' -H 'Content-Type: application/json' -d "$2"
  echo
}}
call 'Carts' "{{\"Id\":\"$CART\",\"CustomerId\":\"{account}\"}}" > /dev/null
call "Carts('$CART')/AddCartLines" '{{"cartLines":[{{"ProductId":{product},"Quantity":1}}]}}' > /dev/null
call "Carts('$CART')/Checkout" '{{"receiptEmail":"you@example.com"}}'
"#,
        client = setting("CommerceClientIdD365Commerce"),
        secret = setting("CommerceClientSecretD365Commerce"),
        audience = setting("AudienceD365Commerce"),
    )
}
