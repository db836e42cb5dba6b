// Cosmos DB: one record per event. Serverless, because the load depends on the shops' hours; without account keys.

import { Tags } from '../types.bicep'

@minLength(3)
@maxLength(44)
param name string
param location string
param tags Tags
param databaseName string
param containerName string

resource account 'Microsoft.DocumentDB/databaseAccounts@2026-03-15' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [
      {
        name: 'EnableServerless'
      }
    ]
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: false
      }
    ]
    consistencyPolicy: {
      // The handler relies on creates and etags, not on fresh reads: session consistency is enough.
      defaultConsistencyLevel: 'Session'
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    // A deleted record is lost: see docs/reliability.md. Seven days of restore points are free of charge.
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2026-03-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

resource container 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2026-03-15' = {
  parent: database
  name: containerName
  properties: {
    resource: {
      id: containerName
      partitionKey: {
        paths: [
          '/EventChannelId'
        ]
        kind: 'Hash'
        version: 2
      }
      // On, without a default: finished records and claims have their own time to live, cursors stay.
      defaultTtl: -1
      // Every indexed path costs request units with each write. Reads and writes use the id. One query runs all the time, "what is
      // due": it filters by due and status and sorts by EventDateTime. No composite index: it would be used only if the
      // sort began with the filtered paths, and few records are due at any time. Once a minute, "what is unfinished"
      // filters by status and sorts by _ts. Events
      // that wait are left out by scheduledFor. Before a journey starts that other events can prevent, the events of its
      // transaction or of its customer are read. The other paths are those by which an operator finds an event. `id` and `_ts`
      // are always indexed.
      indexingPolicy: {
        indexingMode: 'consistent'
        automatic: true
        includedPaths: [
          {
            path: '/due/?'
          }
          {
            path: '/status/?'
          }
          {
            path: '/EventDateTime/?'
          }
          {
            path: '/EventTransactionId/?'
          }
          {
            path: '/EventCustomerId/?'
          }
          {
            path: '/salesId/?'
          }
          {
            path: '/channelReferenceId/?'
          }
          {
            path: '/receiptId/?'
          }
          {
            path: '/customerNumber/?'
          }
          {
            path: '/contactId/?'
          }
          {
            path: '/reason/code/?'
          }
          {
            path: '/scheduledFor/?'
          }
        ]
        excludedPaths: [
          {
            path: '/*'
          }
        ]
      }
    }
  }
}

output endpoint string = account.properties.documentEndpoint
