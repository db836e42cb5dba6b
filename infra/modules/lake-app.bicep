// The function app of the lake side, on Flex Consumption, with all its settings.

import { Lake, Tags } from '../types.bicep'

param name string
param planName string
param location string
param tags Tags

@description('Resource id of the app\'s managed identity.')
param identityId string

@description('Client id of the app\'s managed identity.')
param identityClientId string

param hostStorageName string

@description('URL of the blob container that takes the deployed packages.')
param packagesUrl string

param applicationInsightsConnectionString string

@description('Where the prepared tables go.')
param preparedLocation string

param lake Lake
param maximumInstanceCount int

// A plan of Flex Consumption can have one app.
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
    siteConfig: {
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
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
        maximumInstanceCount: maximumInstanceCount
        // 4096 includes two cores, on which a preparation takes about half the time: it costs about the same.
        instanceMemoryMB: lake.?instanceMemoryMB ?? 4096
        alwaysReady: []
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
  AzureWebJobsStorage__accountName: hostStorageName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  // Gives no access: telemetry is accepted with the identity's token only.
  APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  PrepareSchedule: lake.?schedule ?? '0 0 3,9,15,21 * * *'
}

// What the handler reads.
var handlerSettings = {
  AZURE_CLIENT_ID: identityClientId
  LakeLocation: lake.location
  PreparedLocation: preparedLocation
  Language: lake.?language ?? 'en-us'
  Layers: lake.?layers ?? 'three'
  Companies: join(lake.?companies ?? [], ',')
  SqlOverlay: lake.?sqlOverlay ?? ''
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  dependsOn: [
    app::scm
  ]
  parent: app
  name: 'appsettings'
  properties: union(lake.?settings ?? {}, hostSettings, handlerSettings)
}
