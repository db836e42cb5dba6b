// The identity with which the app calls everything: storage, Service Bus, Cosmos DB, Key Vault, telemetry, Dataverse.
// User-assigned, so that it exists, and can get its roles, before the app exists.

import { Tags } from '../types.bicep'

param name string
param location string
param tags Tags

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
