// All roles of the app's identity, each at the smallest scope that works.

import { builtInRoles, cosmosRoles } from '../roles.bicep'

@description('Resource id of the app\'s managed identity. Names of role assignments are made from it, because it is known before the deployment.')
param identityId string

@description('Object id of the app\'s managed identity.')
param principalId string

@description('Object id of the Entra group that may read the event records; empty for none. Account keys are switched off, so nobody else may, including subscription owners.')
param operatorsGroupId string

@description('Whether the app may read how many messages wait.')
param readQueueLength bool

param storageAccountName string
param cosmosAccountName string
param serviceBusNamespaceName string
param topicName string
param subscriptionName string
param keyVaultName string
param applicationInsightsName string

resource storage 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageAccountName
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' existing = {
  name: cosmosAccountName
}

resource serviceBus 'Microsoft.ServiceBus/namespaces@2026-01-01' existing = {
  name: serviceBusNamespaceName
}

resource orderTopic 'Microsoft.ServiceBus/namespaces/topics@2026-01-01' existing = {
  parent: serviceBus
  name: topicName
}

resource orderSubscription 'Microsoft.ServiceBus/namespaces/topics/subscriptions@2026-01-01' existing = {
  parent: orderTopic
  name: subscriptionName
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: keyVaultName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

// The Functions host: timer locks, function keys, and the deployed package.
resource hostBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identityId, builtInRoles.storageBlobDataOwner)
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataOwner
    )
  }
}

// The Functions host: its diagnostic events. Queues are for blob triggers only, so no right to them.
resource hostTables 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, identityId, builtInRoles.storageTableDataContributor)
  scope: storage
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageTableDataContributor
    )
  }
}

// poll-events publishes, process-message reschedules.
resource send 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(orderTopic.id, identityId, builtInRoles.serviceBusDataSender)
  scope: orderTopic
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.serviceBusDataSender
    )
  }
}

// The trigger of process-message, and trigger-journey on the dead-letter queue. Without the right to read the
// subscription's length the platform scales by peeking, which is enough for so few instances.
resource receive 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(orderSubscription.id, identityId, builtInRoles.serviceBusDataReceiver)
  scope: orderSubscription
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.serviceBusDataReceiver
    )
  }
}

// The right to read the subscription's length comes with Data Owner only. It is off by default, because it also allows
// to change and delete the subscription.
resource readQueueLengthRight 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (readQueueLength) {
  name: guid(orderSubscription.id, identityId, builtInRoles.serviceBusDataOwner)
  scope: orderSubscription
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.serviceBusDataOwner
    )
  }
}

// Key Vault references in app settings.
resource secrets 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, identityId, builtInRoles.keyVaultSecretsUser)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.keyVaultSecretsUser
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

// The event records. At the account, because the client reads the account's description first. The account contains this
// container only. The role does not allow to create databases or containers.
resource records 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = {
  parent: cosmos
  name: guid(cosmos.id, identityId, cosmosRoles.dataContributor)
  properties: {
    principalId: principalId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosRoles.dataContributor}'
    scope: cosmos.id
  }
}

resource operatorsReadRecords 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2026-03-15' = if (!empty(operatorsGroupId)) {
  // The account takes one change of its roles at a time and refuses a second one with 412.
  dependsOn: [
    records
  ]
  parent: cosmos
  name: guid(cosmos.id, operatorsGroupId, cosmosRoles.dataReader)
  properties: {
    principalId: operatorsGroupId
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosRoles.dataReader}'
    scope: cosmos.id
  }
}
