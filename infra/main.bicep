// Commerce Journeys in Azure: everything around the function app, with no secret in any setting.
//
//     az deployment group create --resource-group <group> --parameters infra/main.bicepparam
//
// docs/deployment.md describes all steps.

targetScope = 'resourceGroup'

metadata description = 'Commerce Journeys: the real-time link between Dynamics 365 Commerce and Customer Insights - Journeys.'

import { AdditionalSettings, AlertThresholds, Commerce, GitHub, Lake, Scale, Tags, Triggers, Tuning } from 'types.bicep'

@description('Part of every name: letters, digits and single hyphens.')
@minLength(2)
@maxLength(9)
param workload string = 'journeys'

@description('Part of every name, and a tag: letters, digits and single hyphens, such as dev, prod or prod-eu.')
@minLength(2)
@maxLength(20)
param environmentName string

@description('Region of all resources. Choose a region near the Scale Unit and Dataverse that offers Flex Consumption.')
param location string = resourceGroup().location

@description('Tags of your own, beside application and environment.')
param tags Tags = {}

@description('The Commerce Scale Unit.')
param commerce Commerce

@description('Secret of the Entra application for the Scale Unit. It is stored in Key Vault. If empty, an existing secret stays as it is.')
@secure()
param commerceClientSecret string = ''

@description('Dataverse environment URL, such as https://contoso.crm.dynamics.com.')
@minLength(9)
param dataverseUrl string

@description('Names of the custom triggers of Customer Insights - Journeys.')
param triggers Triggers

@description('The file beside journeys.json with the changes of this environment, such as journeys.prod.json; empty for none.')
param journeysOverlay string = ''

@description('Who gets the alerts.')
@minLength(3)
param alertEmail string

@description('When to raise an alert.')
param alertThresholds AlertThresholds = {
  latencySeconds: 120
  throttledCalls: 20
}

@description('Limits of scaling: with one journey for each event type, 3 instances of 16 messages.')
param scale Scale = {
  maximumInstanceCount: 3
  messagesPerInstance: 16
  instanceMemoryMB: 2048
  alwaysReady: 0
}

@description('Settings that most deployments do not change.')
param tuning Tuning = {}

@description('The repository whose workflow may deploy. Default: none.')
param github GitHub?

@description('The lake side: prepares exported tables for Customer Insights - Data. Default: none.')
param lake Lake?

@description('Further app settings: the OTEL_* variables of docs/logging.md, or RUST_LOG.')
param additionalSettings AdditionalSettings = {}

@description('Days that telemetry is kept.')
@minValue(30)
@maxValue(730)
param telemetryRetentionInDays int = 30

@description('Object id of the Entra group that may read the event records in Cosmos DB and the prepared tables; empty for none.')
param operatorsGroupId string = ''

@description('Whether a deleted key vault is kept for seven days whatever happens. false is for environments that are deleted and made again; it cannot be set back to false.')
param protectKeyVault bool = true

// Of these templates, and of the handler: Cargo.toml has the same.
var version = '0.1.0'

var prefix = toLower('${workload}-${environmentName}')
var unknownCharacters = filter(
  map(range(0, length(prefix)), index => substring(prefix, index, 1)),
  character => !contains('abcdefghijklmnopqrstuvwxyz0123456789-', character)
)
// Checked here, because Azure reports a wrong name only when it makes the first resource that refuses it.
var namePrefix = empty(unknownCharacters) && !contains('-${prefix}-', '--')
  ? prefix
  : fail('workload and environmentName may have letters, digits and single hyphens between them, not: ${prefix}')
// For the names that Azure keeps shortest. The suffix keeps shortened names apart.
var compactPrefix = replace(namePrefix, '-', '')
var shortPrefix = take(length(namePrefix) <= 14 ? namePrefix : compactPrefix, 14)
// Names that are unique in all of Azure end in this.
var suffix = take(uniqueString(resourceGroup().id, workload, environmentName), 6)
var allTags = union(tags, {
  application: 'commerce-journeys'
  environment: environmentName
  version: version
})

// All names are known before the deployment starts. Modules get these and not the outputs of other modules, so that
// `what-if` can look into every module; the order is given by dependsOn where no output gives it.
var identityName = 'id-${namePrefix}'
var applicationInsightsName = 'appi-${namePrefix}'
var storageName = 'st${take(compactPrefix, 15)}${suffix}'
var cosmosName = 'cosmos-${namePrefix}-${suffix}'
var serviceBusName = 'sbns-${namePrefix}-${suffix}'
var keyVaultName = 'kv-${shortPrefix}-${suffix}'
var functionAppName = 'func-${shortPrefix}-${suffix}'
var lakeFunctionAppName = 'func-${shortPrefix}-lake-${suffix}'
var lakeHostStorageName = 'stl${take(compactPrefix, 15)}${suffix}'
var lakePreparedStorageName = 'dls${take(compactPrefix, 15)}${suffix}'

var identityId = resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', identityName)
var applicationInsightsId = resourceId('Microsoft.Insights/components', applicationInsightsName)
var serviceBusId = resourceId('Microsoft.ServiceBus/namespaces', serviceBusName)

// The names that the code, the sandbox and local.settings.json use too.
var databaseName = 'EventTrackingDB'
var containerName = 'ProcessedEvents'
var topicName = 'order-events'
var subscriptionName = 'order-subscription'

module identity 'modules/identity.bicep' = {
  params: {
    name: identityName
    location: location
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    workspaceName: 'log-${namePrefix}'
    applicationInsightsName: applicationInsightsName
    location: location
    tags: allTags
    retentionInDays: telemetryRetentionInDays
  }
}

module storage 'modules/storage.bicep' = {
  params: {
    name: storageName
    location: location
    tags: allTags
  }
}

module cosmos 'modules/cosmos.bicep' = {
  params: {
    name: cosmosName
    location: location
    tags: allTags
    databaseName: databaseName
    containerName: containerName
  }
}

module serviceBus 'modules/service-bus.bicep' = {
  params: {
    name: serviceBusName
    location: location
    tags: allTags
    topicName: topicName
    subscriptionName: subscriptionName
  }
}

module keyVault 'modules/key-vault.bicep' = {
  params: {
    name: keyVaultName
    location: location
    tags: allTags
    commerceClientSecret: commerceClientSecret
    purgeProtection: protectKeyVault
  }
}

module access 'modules/access.bicep' = {
  dependsOn: [
    storage
    cosmos
    serviceBus
    keyVault
    monitoring
  ]
  params: {
    identityId: identityId
    principalId: identity.outputs.principalId
    operatorsGroupId: operatorsGroupId
    readQueueLength: scale.?readQueueLength ?? false
    storageAccountName: storageName
    cosmosAccountName: cosmosName
    serviceBusNamespaceName: serviceBusName
    topicName: topicName
    subscriptionName: subscriptionName
    keyVaultName: keyVaultName
    applicationInsightsName: applicationInsightsName
  }
}

module functionApp 'modules/function-app.bicep' = {
  // The app starts after its roles are assigned.
  dependsOn: [
    access
  ]
  params: {
    name: functionAppName
    planName: 'asp-${namePrefix}'
    location: location
    tags: allTags
    identityId: identityId
    identityClientId: identity.outputs.clientId
    storageAccountName: storageName
    packagesUrl: storage.outputs.packagesUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    serviceBusHostName: serviceBus.outputs.hostName
    topicName: topicName
    subscriptionName: subscriptionName
    cosmosEndpoint: cosmos.outputs.endpoint
    databaseName: databaseName
    containerName: containerName
    commerceClientSecretUri: keyVault.outputs.commerceClientSecretUri
    commerce: commerce
    dataverseUrl: dataverseUrl
    triggers: triggers
    journeysOverlay: journeysOverlay
    scale: scale
    tuning: tuning
    additionalSettings: additionalSettings
  }
}

module alerts 'modules/alerts.bicep' = {
  dependsOn: [
    monitoring
    serviceBus
  ]
  params: {
    namePrefix: namePrefix
    location: location
    tags: allTags
    email: alertEmail
    thresholds: alertThresholds
    applicationInsightsId: applicationInsightsId
    serviceBusNamespaceId: serviceBusId
    topicName: topicName
  }
}

module workbook 'modules/workbook.bicep' = {
  dependsOn: [
    monitoring
  ]
  params: {
    location: location
    tags: allTags
    displayName: 'Commerce Journeys (${environmentName})'
    applicationInsightsId: applicationInsightsId
  }
}

module lakeSide 'modules/lake.bicep' = if (lake != null) {
  params: {
    namePrefix: namePrefix
    functionAppName: lakeFunctionAppName
    hostStorageName: lakeHostStorageName
    preparedStorageName: lakePreparedStorageName
    location: location
    tags: allTags
    lake: lake!
    maximumInstanceCount: scale.maximumInstanceCount
    applicationInsightsId: applicationInsightsId
    applicationInsightsName: applicationInsightsName
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    actionGroupId: alerts.outputs.actionGroupId
    operatorsGroupId: operatorsGroupId
    workbookName: 'Prepared data (${environmentName})'
  }
}

module deployer 'modules/deployer.bicep' = if (github != null) {
  dependsOn: [
    functionApp
    lakeSide
  ]
  params: {
    name: 'id-${namePrefix}-deploy'
    location: location
    tags: allTags
    github: github!
    functionAppName: functionAppName
    lakeFunctionAppName: lake == null ? '' : lakeFunctionAppName
  }
}

@description('For the publish command.')
output functionAppName string = functionAppName

@description('Client id for the application user in Dataverse.')
output managedIdentityClientId string = identity.outputs.clientId

@description('For the publish command of the lake side; empty without it.')
output lakeFunctionAppName string = lake == null ? '' : lakeFunctionAppName

@description('Where the prepared tables are; empty without the lake side.')
output preparedLocation string = lake == null ? '' : lakeSide!.outputs.preparedLocation

@description('AZURE_CLIENT_ID of the workflow\'s environment; empty without github.')
output deployerClientId string = github == null ? '' : deployer!.outputs.clientId

@description('What is left to do outside Azure. docs/deployment.md contains the menu paths.')
output nextSteps string[] = concat(
  [
    '1. Publish: cargo xtask package --publish ${functionAppName}${scale.messagesPerInstance == 16 ? '' : ' --messages-per-instance ${scale.messagesPerInstance}'}'
    '2. Dataverse (${dataverseUrl}): an application user for client id ${identity.outputs.clientId}, with the role Commerce Journeys'
    commerce.?application == null
      ? '3. Commerce: accept client id ${identity.outputs.clientId} as relying party, server resource id ${commerce.audience}; then run job 1110'
      : '3. Commerce: accept client id ${commerce.?application.?clientId ?? ''} as relying party, server resource id ${commerce.audience}; then run job 1110'
    '4. Customer Insights - Journeys: publish the custom trigger ${triggers.OrderConfirmationTrigger}, and a journey that starts with it'
    '5. Watch: the workbook "Commerce Journeys (${environmentName})" in Application Insights appi-${namePrefix}'
  ],
  lake == null
    ? []
    : [
        '6. Lake side: cargo xtask package --app prepare-data --publish ${lakeFunctionAppName}'
        '7. Customer Insights - Data: a Delta source at ${lakeSide!.outputs.preparedLocation}gold, once the first preparation has finished'
      ]
)
