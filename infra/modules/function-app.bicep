// The function app, on Flex Consumption, with all its settings.

import { AdditionalSettings, Commerce, Scale, Tags, Triggers, Tuning } from '../types.bicep'

param name string
param planName string
param location string
param tags Tags

@description('Resource id of the app\'s managed identity.')
param identityId string

@description('Client id of the app\'s managed identity.')
param identityClientId string

param storageAccountName string

@description('URL of the blob container that takes the deployed packages.')
param packagesUrl string

param applicationInsightsConnectionString string

@description('Host name of the Service Bus namespace.')
param serviceBusHostName string
param topicName string
param subscriptionName string

param cosmosEndpoint string
param databaseName string
param containerName string

@description('URL of the Key Vault secret with the client secret for the Commerce Scale Unit.')
param commerceClientSecretUri string

param commerce Commerce

@description('Dataverse environment URL, such as https://contoso.crm.dynamics.com.')
param dataverseUrl string
param triggers Triggers
param journeysOverlay string
param scale Scale
param tuning Tuning
param additionalSettings AdditionalSettings

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

// How far to scale. Dataverse limits each user (here: the managed identity), on each of its web servers, to
//
//     52 requests at once,
//     6000 requests in 300 seconds, that is 20 a second,
//     1200 seconds of execution in 300 seconds, that is 4 requests of one second each at any time.
//
// A message of a known customer costs two requests, one after the other: find the contact, invoke the trigger. With j
// journeys enabled for one event type, its triggers are invoked together: up to j at once.
//
//     at once:     maximumInstanceCount x messagesPerInstance x j  <=  52      3 x 16 x 1 = 48
//     per second:  20 / (1 + j) messages                                       10 messages, 36,000 an hour
//     execution:   4 / ((1 + j) x t) messages a second, t seconds a request    10 messages at t = 0.2
//
// The first bound must hold by construction, because Dataverse refuses the 53rd request at once. The others are reached
// only while a backlog is processed; then Dataverse answers 429, and the app waits as long as Retry-After says. The third
// one is reached before the second where a request takes more than 200 ms.
// So with j journeys for one event type: maximumInstanceCount = 52 / (16 x j), rounded down, but at least 1.
// (Most environments have several web servers, which multiplies both; how many is not published.)
//
// The maximum is now documented per scale group (each function here is one) and was for the whole app before: 3 is
// right in both cases. See docs/sizing.md.
resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      // Instead of FUNCTIONS_WORKER_RUNTIME, which Flex Consumption does not accept.
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packagesUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: scale.maximumInstanceCount
        instanceMemoryMB: scale.instanceMemoryMB
        alwaysReady: scale.alwaysReady == 0
          ? []
          : [
              {
                name: 'function:process-message'
                instanceCount: scale.alwaysReady
              }
            ]
      }
    }
  }

  // Packages are published with Entra tokens; the publishing passwords are switched off.
  resource ftp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  // One after the other: a site takes one change at a time and refuses a second one with 409.
  resource scm 'basicPublishingCredentialsPolicies' = {
    dependsOn: [
      ftp
    ]
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

// What the Functions host reads.
var hostSettings = {
  AzureWebJobsStorage__accountName: storageAccountName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  AzureFunctionsJobHost__extensions__serviceBus__maxConcurrentCalls: string(scale.messagesPerInstance)
  // Gives no access: telemetry is accepted with the identity's token only.
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  ServiceBusConnection__credential: 'managedidentity'
  ServiceBusConnection__clientId: identityClientId
}

// What the handler reads (ServiceBusConnection__fullyQualifiedNamespace, PollSchedule and the names of topic and
// subscription: the host as well). There are no keys, connection strings or secrets: the identity is used instead.
var handlerSettings = {
  AZURE_CLIENT_ID: identityClientId
  CSUEndpoint: commerce.endpoint
  OperatingUnitNumber: commerce.operatingUnitNumber
  AuthSchemeD365Commerce: commerce.?scheme ?? 'id_token'
  AudienceD365Commerce: commerce.audience
  CosmosDbEndpoint: cosmosEndpoint
  CosmosDbDatabaseId: databaseName
  CosmosDbContainerId: containerName
  CosmosDbRegion: location
  ServiceBusConnection__fullyQualifiedNamespace: serviceBusHostName
  ServiceBusTopicName: topicName
  ServiceBusSubscriptionName: subscriptionName
  ServiceBusMaxMessageBytes: '262144'
  DataverseUrl: dataverseUrl
  DefaultCustomers: commerce.?defaultCustomers ?? ''
  EventTypes: tuning.?eventTypes ?? ''
  PollSchedule: tuning.?pollSchedule ?? '*/20 * * * * *'
  PollAgainAfter: tuning.?pollAgainAfter ?? '00:00:02'
  InitialLookback: tuning.?initialLookback ?? '1.00:00:00'
  PollOverlap: tuning.?pollOverlap ?? '00:02:00'
  PollClockAllowance: tuning.?pollClockAllowance ?? '00:05:00'
  PollPageSize: string(tuning.?pollPageSize ?? 250)
  PollTimeBudget: tuning.?pollTimeBudget ?? '00:02:00'
  CommerceConcurrency: string(tuning.?commerceConcurrency ?? 32)
  LostMessageAfter: tuning.?lostMessageAfter ?? '00:15:00'
  LeaseDuration: tuning.?leaseDuration ?? '00:02:00'
  RetryFirstDelay: tuning.?retryFirstDelay ?? '00:00:10'
  RetryLongestDelay: tuning.?retryLongestDelay ?? '00:15:00'
  RetryHorizon: tuning.?retryHorizon ?? '1.00:00:00'
  RecordTimeToLive: tuning.?recordTimeToLive ?? '90.00:00:00'
  RequestTimeout: tuning.?requestTimeout ?? '00:00:30'
  JourneysOverlay: journeysOverlay
}

var application = commerce.?application

// The only secret, as a reference. With the managed identity there is none.
var commerceIdentitySettings = application == null
  ? {}
  : {
      AuthorityD365Commerce: environment().authentication.loginEndpoint
      TenantIdD365Commerce: application.?tenantId ?? ''
      CommerceClientIdD365Commerce: application.?clientId ?? ''
      CommerceClientSecretD365Commerce: '@Microsoft.KeyVault(SecretUri=${commerceClientSecretUri})'
    }

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  dependsOn: [
    app::scm
  ]
  parent: app
  name: 'appsettings'
  properties: union(additionalSettings, hostSettings, handlerSettings, commerceIdentitySettings, triggers)
}
