// The identity with which the repository's workflow deploys: no secret, and only the right to publish to these
// apps.

import { builtInRoles } from '../roles.bicep'
import { GitHub, Tags } from '../types.bicep'

param name string
param location string
param tags Tags
param github GitHub
param functionAppName string

@description('Empty without the lake side.')
param lakeFunctionAppName string

var names = empty(lakeFunctionAppName) ? [functionAppName] : [functionAppName, lakeFunctionAppName]

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags

  resource credential 'federatedIdentityCredentials' = {
    name: 'github-actions'
    properties: {
      issuer: 'https://token.actions.githubusercontent.com'
      subject: github.subject
      audiences: [
        'api://AzureADTokenExchange'
      ]
    }
  }
}

resource apps 'Microsoft.Web/sites@2025-03-01' existing = [
  for app in names: {
    name: app
  }
]

resource publish 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (app, index) in names: {
    name: guid(apps[index].id, identity.id, builtInRoles.websiteContributor)
    scope: apps[index]
    properties: {
      principalId: identity.properties.principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId(
        'Microsoft.Authorization/roleDefinitions',
        builtInRoles.websiteContributor
      )
    }
  }
]

output clientId string = identity.properties.clientId
