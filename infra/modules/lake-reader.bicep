// The right to read the export, wherever its storage account is.

import { builtInRoles } from '../roles.bicep'

@description('Resource id of the app\'s managed identity. Names of role assignments are made from it, because it is known before the deployment.')
param identityId string

@description('Object id of the app\'s managed identity.')
param principalId string

param storageAccountName string
param containerName string

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' existing = {
  name: storageAccountName

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource container 'containers' existing = {
      name: containerName
    }
  }
}

resource read 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::blobs::container.id, identityId, builtInRoles.storageBlobDataReader)
  scope: account::blobs::container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      builtInRoles.storageBlobDataReader
    )
  }
}
