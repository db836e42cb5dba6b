// The Functions host's own storage (timer locks, function keys) and the deployed packages. No shared keys.

import { Tags } from '../types.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags Tags

var packages = 'packages'

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // A package that was overwritten or deleted by mistake can be restored: a roll-back needs it.
      isVersioningEnabled: true
      deleteRetentionPolicy: {
        enabled: true
        days: 30
      }
    }

    resource container 'containers' = {
      name: packages
    }
  }
}

output packagesUrl string = '${account.properties.primaryEndpoints.blob}${packages}'
