// All rights to what the lake side owns, and nothing else. The right to read the export is in lake-reader.bicep, because
// the export may be elsewhere.

import { builtInRoles } from '../roles.bicep'

@description('Resource id of the app\'s managed identity. Names of role assignments are made from it, because it is known before the deployment.')
param identityId string

@description('Object id of the app\'s managed identity.')
param principalId string

@description('Object id of the service principal of Customer Insights - Data; empty for none.')
param customerInsightsPrincipalId string

@description('Object id of the Entra group that may read the prepared tables; empty for none. With shared keys switched off, nobody may otherwise, subscription owners included.')
param readersGroupId string

param hostStorageName string
param preparedStorageName string
param preparedContainerName string
param applicationInsightsName string

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: hostStorageName
}

resource preparedStorage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: preparedStorageName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = {
      name: preparedContainerName
    }
  }
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// The Functions host: timer locks, keys, and the deployed package.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identityId, builtInRoles.storageBlobDataOwner)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataOwner
    )
  }
}

// The Functions host: its diagnostic events.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hostStorage.id, identityId, builtInRoles.storageTableDataContributor)
  scope: hostStorage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageTableDataContributor
    )
  }
}

// The prepared tables, with their state and what was rejected.
resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(preparedStorage::blobs::container.id, identityId, builtInRoles.storageBlobDataContributor)
  scope: preparedStorage::blobs::container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataContributor
    )
  }
}

// Telemetry of host and handler.
resource telemetry 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(applicationInsights.id, identityId, builtInRoles.monitoringMetricsPublisher)
  scope: applicationInsights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.monitoringMetricsPublisher
    )
  }
}

// Customer Insights - Data reads the tables. Its documentation asks for this role, with the right to write, and for the
// account; the account holds nothing but the prepared tables.
resource customerInsights 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(customerInsightsPrincipalId)) {
  name: guid(preparedStorage.id, customerInsightsPrincipalId, builtInRoles.storageBlobDataContributor)
  scope: preparedStorage
  properties: {
    principalId: customerInsightsPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataContributor
    )
  }
}

// Whoever adds the data source in Customer Insights - Data needs this role too, to browse to the tables.
resource readers 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(readersGroupId)) {
  name: guid(preparedStorage.id, readersGroupId, builtInRoles.storageBlobDataReader)
  scope: preparedStorage
  properties: {
    principalId: readersGroupId
    principalType: 'Group'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataReader
    )
  }
}
