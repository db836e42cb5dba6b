// The prepared tables: ADLS Gen2, in the region of the Customer Insights - Data environment, which reads no other.
// No shared keys.

import { Tags } from '../types.bicep'

@minLength(3)
@maxLength(24)
param name string
param containerName string
param location string
param tags Tags

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    isHnsEnabled: true
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // For a folder that is deleted by mistake: Customer Insights - Data cannot continue with new tables. (With a
      // hierarchical namespace there is no versioning; the tables have their own versions.)
      deleteRetentionPolicy: {
        enabled: true
        days: 7
      }
      containerDeleteRetentionPolicy: {
        enabled: true
        days: 7
      }
    }

    resource container 'containers' = {
      name: containerName
    }
  }
}

output location string = 'abfss://${containerName}@${split(account.properties.primaryEndpoints.dfs, '/')[2]}/'
