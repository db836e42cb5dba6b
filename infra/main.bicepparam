using 'main.bicep'

// Fill this in. A deployment needs nothing else. Every value here is an example.

param environmentName = 'prod'

// Lifecycle Services > environment > Environment features > Retail Cloud Scale Unit: the Retail Server URL.
param commerce = {
  endpoint: 'https://contoso.scale.commerce.dynamics.com/'
  operatingUnitNumber: '052'
  // Application ID URI of the Retail Server's app registration: the server resource id in headquarters.
  audience: 'api://00000000-0000-0000-0000-000000000000'
  // The Entra application that may call the Scale Unit (docs/deployment.md, step 2).
  application: {
    tenantId: '00000000-0000-0000-0000-000000000000'
    clientId: '00000000-0000-0000-0000-000000000000'
  }
}

// From the environment, so that it is in no file. Needed once, and again when the secret is renewed.
param commerceClientSecret = readEnvironmentVariable('COMMERCE_CLIENT_SECRET', '')

// Power Platform admin center > Environments > environment > Environment URL.
param dataverseUrl = 'https://contoso.crm.dynamics.com'

// Customer Insights - Journeys > Triggers > trigger > Go to code snippet (docs/deployment.md, step 4).
param triggers = {
  OrderConfirmationTrigger: 'msdynmkt_orderconfirmation_123456789'
}

param alertEmail = 'operators@contoso.com'

// See docs/sizing.md before you change it. One instance is always ready: without it, the first message after a quiet time
// waits until the platform starts one.
param scale = {
  maximumInstanceCount: 3
  messagesPerInstance: 16
  instanceMemoryMB: 2048
  alwaysReady: 1
}

// The lake side, if Customer Insights - Data is to have prepared tables (docs/deployment.md, "The lake side").
// param lake = {
//   location: 'abfss://dataverse-contoso-unq123@contosolake.dfs.core.windows.net/deltalake'
//   account: {
//     name: 'contosolake'
//     container: 'dataverse-contoso-unq123'
//     resourceGroup: 'contoso-lake'
//   }
//   // Entra > Enterprise applications > Dynamics 365 AI for Customer Insights: its object id.
//   customerInsightsPrincipalId: '00000000-0000-0000-0000-000000000000'
// }
